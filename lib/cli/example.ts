import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { styleText } from 'node:util'
import type { Command } from 'commander'
import { nearest } from '../nearest.js'

interface Example {
  name: string
  title: string
  /** Whose programs its guest is. */
  architecture: string
  /** The arguments without which it cannot run, as its usage has them. */
  needs?: string
}

/** The status of an example that this host cannot run; it has said what is lacking. */
const LACKING = 77

interface Options {
  all?: true
  trace?: true
}

/** `node-kvm example`: lists the bundled guests, or runs one or all of them. */
export function addExample(program: Command): void {
  program
    .command('example')
    .summary('list or run the bundled guests')
    .description('Without a name: list the bundled guests. With one: run it.')
    .argument('[name]', 'the guest to run')
    .argument('[arguments...]', 'what it needs, if it needs something; the list says so')
    .option('--all', 'run all that need no arguments, one after the other')
    .option('--trace', 'print every exit to standard error')
    .addHelpText(
      'after',
      `
Examples:
  node-kvm example
  node-kvm example hello
  node-kvm example long-mode --trace 2>exits.txt
  node-kvm example linux-shell vmlinuz initrd`,
    )
    .action((name: string | undefined, args: string[], options: Options, command: Command) => {
      const examples = readExamples()
      const example = examples.find((candidate) => candidate.name === name)
      if (options.all) {
        if (name !== undefined) command.error(`error: --all runs all of them: it goes without '${name}'`)
        runAll(examples, options)
      } else if (name === undefined) list(examples)
      else if (example === undefined) command.error(`error: ${unknownExample(name, examples)}`)
      else if (example.needs === undefined && args.length > 0)
        command.error(`error: too many arguments: ${name} needs none`)
      else if (example.architecture !== process.arch)
        command.error(`error: the guest of ${name} is for ${example.architecture}, and this host is ${process.arch}`)
      else process.exitCode = run(example, args, options)
    })
}

function readExamples(): Example[] {
  return JSON.parse(readFileSync(new URL('../examples/manifest.json', import.meta.url), 'utf8')) as Example[]
}

function list(examples: Example[]): void {
  const width = Math.max(...examples.map(({ name }) => name.length))
  for (const { name, title, needs, architecture } of examples) {
    const notes = [
      ...(needs === undefined ? [] : [`needs ${needs}`]),
      ...(architecture === process.arch ? [] : [`for ${architecture}`]),
    ]
    console.log(`${name.padEnd(width)}  ${title}${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`)
  }
}

function runAll(examples: Example[], options: Options): void {
  const failed: string[] = []
  const lacking: Example[] = []
  const here = examples.filter(({ architecture }) => architecture === process.arch)
  const runnable = here.filter(({ needs }) => needs === undefined)
  for (const example of runnable) {
    console.log(styleText('bold', `\n▶ ${example.name}: ${example.title}`))
    const status = run(example, [], options)
    if (status === LACKING) lacking.push(example)
    else if (status !== 0) failed.push(example.name)
  }
  const ran = runnable.length - lacking.length
  console.log(`\n${ran - failed.length} of ${ran} guests did what they should.`)
  if (lacking.length > 0) console.log('\nNot run, because this host lacks what they need, as they say above:')
  for (const { name, title } of lacking) console.log(`  node-kvm example ${name}: ${title}`)
  const others = here.filter(({ needs }) => needs !== undefined)
  if (others.length > 0) console.log('\nNot run, because they need what is not bundled:')
  for (const { name, title, needs } of others) console.log(`  node-kvm example ${name} ${needs}: ${title}`)
  if (failed.length > 0) throw new Error(`failed: ${failed.join(', ')}`)
}

/** Runs an example in a process of its own, as a user would with `node`, and returns its exit status. */
function run({ name }: Example, args: string[], options: Options): number {
  const program = fileURLToPath(new URL(`../examples/${name}.js`, import.meta.url))
  const preload = options.trace ? ['--import', new URL('../cli/trace.js', import.meta.url).href] : []
  const { status, signal, error } = spawnSync(process.execPath, [...preload, program, ...args], { stdio: 'inherit' })
  if (error) throw error
  return status ?? 128 + constants.signals[signal ?? 'SIGKILL']
}

function unknownExample(name: string, examples: Example[]): string {
  const names = examples.map((example) => example.name)
  const [suggestion] = nearest(name, names)
  const rest = suggestion === undefined ? `There are: ${names.join(', ')}.` : `Did you mean ${suggestion}?`
  return `there is no example '${name}'. ${rest}`
}
