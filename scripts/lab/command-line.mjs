// @ts-check

import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { LAB_FAILED, TIMED_OUT, USAGE } from './exit-status.mjs'
import { hosts } from './hosts/index.mjs'

/**
 * @typedef {object} Request
 * @property {import('./hosts/index.mjs').Host} host
 * @property {import('./job.mjs').Job} job
 * @property {number | undefined} timeout  seconds
 * @property {number | undefined} silence  seconds
 * @property {boolean} debian  whether guests need the root disk of a Debian
 * @property {boolean} verbose
 */

/**
 * What commander hands over.
 * @typedef {object} Options
 * @property {string} host
 * @property {number} [cpus]
 * @property {number} [memory]
 * @property {string} [cpu]
 * @property {string} [gic]
 * @property {number} [timeout]
 * @property {number} [silence]
 * @property {string} output
 * @property {import('./job.mjs').Share[]} share
 * @property {boolean} debian
 * @property {boolean} shell
 * @property {boolean} verbose
 */

const HELP = `
COMMAND sees this machine's files where they are; its writes are forgotten, but for those in the output folder.
It finds NODE_KVM_LAB (the host's kind) and NODE_KVM_LAB_OUTPUT (the output folder) in its environment.
The exit status is COMMAND's, 128+n when signal n ended it; ${TIMED_OUT} at the time limit, ${LAB_FAILED} when the lab failed, ${USAGE} for a wrong usage.

Examples:
  npm run lab -- node -p process.version
  npm run lab -- --timeout 600 npx vitest run tests/kvm
  npm run lab -- --shell`

/** @param {string} text */
function positive(text) {
  const value = Number(text)
  if (!(value > 0 && Number.isFinite(value))) throw new InvalidArgumentError('It must be a number greater than 0.')
  return value
}

/** @param {string} text */
function count(text) {
  const value = positive(text)
  if (!Number.isInteger(value)) throw new InvalidArgumentError('It must be a whole number.')
  return value
}

/** @param {string} text @returns {number} MiB */
function memory(text) {
  const [, digits, unit] = /^(\d+)([MG])$/i.exec(text) ?? []
  const value = Number(digits) * (unit?.toUpperCase() === 'G' ? 1024 : 1)
  if (!(value >= 512)) throw new InvalidArgumentError('It must be at least 512M, like 512M or 4G.')
  return value
}

/** @param {string} text @param {import('./job.mjs').Share[]} earlier */
function share(text, earlier) {
  const [source = '', target = source] = text.split(':')
  if (!statSync(source, { throwIfNoEntry: false })?.isDirectory())
    throw new InvalidArgumentError(`${source} is no folder.`)
  return [...earlier, { source: resolve(source), target: resolve(target) }]
}

/** @param {boolean} shell */
function terminal(shell) {
  const { rows, columns } = process.stdout
  return shell ? { rows: rows || 24, columns: columns || 80 } : undefined
}

/**
 * One of each of the host's choices.
 * @param {import('./hosts/index.mjs').Host} host
 * @param {Record<string, string | undefined>} named
 * @param {Command} program
 */
function choose({ name: kind, choices = {} }, named, program) {
  for (const [name, value] of Object.entries(named)) {
    const possible = choices[name]
    if (value === undefined || possible?.includes(value)) continue
    program.error(
      possible === undefined
        ? `error: the ${kind} host has no choice of --${name}`
        : `error: --${name} ${value} is none of the ${kind} host's: ${possible.join(', ')}`,
    )
  }
  return Object.fromEntries(Object.entries(choices).map(([name, [usual = '']]) => [name, named[name] ?? usual]))
}

/**
 * Reads the command line. A wrong one ends the process with its message and status 2.
 * @param {readonly string[]} argv  as process.argv
 * @returns {Request}
 */
export function parseCommandLine(argv) {
  const program = new Command('npm run lab --')
    .usage('[options] COMMAND...')
    .description('Runs a command in this checkout on a nested host that has a real KVM, in software emulation.')
    .argument('[command...]')
    .addOption(new Option('--host <kind>', "the host's kind").choices([...hosts.keys()]).default('amd'))
    .addOption(new Option('--cpus <count>', "the host's CPUs").argParser(count))
    .addOption(new Option('--memory <size>', "the host's memory, like 4G").argParser(memory))
    .option('--cpu <model>', 'the model of its CPUs, where there is a choice')
    .option('--gic <version>', 'the version of its interrupt controller, where there is a choice')
    .option('--timeout <seconds>', 'ends the command after this time', positive)
    .option('--silence <seconds>', 'takes a command that prints nothing for so long for a failure of the lab', positive)
    .option('--output <folder>', 'where files written inside come back', 'build/lab-output')
    .option('--share <folder[:inside]>', 'shows a folder inside, there or at another path; may be repeated', share, [])
    .option('--debian', 'makes the root disk of a Debian for guests first, if there is none', false)
    .option('--shell', 'runs COMMAND, or bash, on a terminal', false)
    .option('--verbose', "shows the kernel's console", false)
    .addHelpText('after', HELP)
    .passThroughOptions()
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : USAGE))
    .parse(argv)

  /** @type {Options} */
  const options = program.opts()
  const host = hosts.get(options.host)
  if (host === undefined) throw new Error('commander let an unknown host kind through')
  const command = program.args.length === 0 && options.shell ? ['bash'] : program.args
  if (command.length === 0) program.error('error: COMMAND is missing')

  const choices = choose(host, { cpu: options.cpu, gic: options.gic }, program)

  const output = resolve(options.output)
  // Node reads all the certificates that it names each time it starts; there is no network inside.
  const { NODE_EXTRA_CA_CERTS: _, ...inherited } = process.env
  const environment = { ...inherited, NODE_KVM_LAB: host.name, NODE_KVM_LAB_OUTPUT: output }
  return {
    host,
    timeout: options.timeout,
    silence: options.silence,
    debian: options.debian,
    verbose: options.verbose,
    job: {
      command,
      folder: process.cwd(),
      environment: /** @type {Record<string, string>} */ (environment),
      output,
      shares: options.share,
      cpus: options.cpus ?? host.defaults.cpus,
      memory: options.memory ?? host.defaults.memory,
      choices,
      terminal: terminal(options.shell),
    },
  }
}
