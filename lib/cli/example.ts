import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { styleText } from 'node:util'
import type { Command } from 'commander'
import { closest } from './closest.js'

interface Example {
  name: string
  title: string
}

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
    .option('--all', 'run all of them, one after the other')
    .option('--trace', 'print every exit to standard error')
    .addHelpText(
      'after',
      `
Examples:
  node-kvm example
  node-kvm example hello
  node-kvm example long-mode --trace 2>exits.txt`,
    )
    .action((name: string | undefined, options: Options, command: Command) => {
      const examples = readExamples()
      if (options.all) runAll(examples, options)
      else if (name === undefined) list(examples)
      else if (examples.some((example) => example.name === name)) process.exitCode = run(name, options)
      else command.error(`error: ${unknownExample(name, examples)}`)
    })
}

function readExamples(): Example[] {
  return JSON.parse(readFileSync(new URL('../examples/manifest.json', import.meta.url), 'utf8')) as Example[]
}

function list(examples: Example[]): void {
  const width = Math.max(...examples.map(({ name }) => name.length))
  for (const { name, title } of examples) console.log(`${name.padEnd(width)}  ${title}`)
}

function runAll(examples: Example[], options: Options): void {
  const failed: string[] = []
  for (const { name, title } of examples) {
    console.log(styleText('bold', `\n▶ ${name}: ${title}`))
    if (run(name, options) !== 0) failed.push(name)
  }
  console.log(`\n${examples.length - failed.length} of ${examples.length} guests did what they should.`)
  if (failed.length > 0) throw new Error(`failed: ${failed.join(', ')}`)
}

/** Runs an example in a process of its own, as a user would with `node`, and returns its exit status. */
function run(name: string, options: Options): number {
  const program = fileURLToPath(new URL(`../examples/${name}.js`, import.meta.url))
  const preload = options.trace ? ['--import', new URL('trace.js', import.meta.url).href] : []
  const { status, signal, error } = spawnSync(process.execPath, [...preload, program], { stdio: 'inherit' })
  if (error) throw error
  return status ?? 128 + constants.signals[signal ?? 'SIGKILL']
}

function unknownExample(name: string, examples: Example[]): string {
  const names = examples.map((example) => example.name)
  const suggestion = closest(name, names)
  const rest = suggestion === undefined ? `There are: ${names.join(', ')}.` : `Did you mean ${suggestion}?`
  return `there is no example '${name}'. ${rest}`
}
