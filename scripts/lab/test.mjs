// @ts-check
// npm run test:lab: the lab's own tests out here, unless a processor or an interrupt controller is named, then the test suite and the
// examples on the nested host.
//   npm run test:lab -- [--host KIND] [--cpu MODEL] [--gic VERSION] [--results FOLDER] [VITEST ARGUMENTS...]
// FOLDER gets the counts of both, see scripts/tally-reporter.mjs.

import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, Option } from 'commander'
import { parseCommandLine } from './command-line.mjs'
import { LAB_FAILED, USAGE } from './exit-status.mjs'
import { hosts } from './hosts/index.mjs'

/** What drives KVM. The rest of the suite finds nothing on another host that it would not find here. */
const PROJECTS = ['kvm', 'examples', 'cli', 'lab/inside']
/** A test that hangs must not hang a build. Each file of tests says when it has passed. */
const SILENCE_SECONDS = 600
/** An emulated machine that breaks down says nothing about the tests: it gets a second chance, and this is said. */
const TRIES = 2

const kinds = [...hosts.values()].filter(({ sharesFiles }) => sharesFiles).map(({ name }) => name)
const root = fileURLToPath(new URL('../..', import.meta.url))
const program = new Command('npm run test:lab --')
  .usage('[options] [vitest arguments...]')
  .argument('[arguments...]')
  .addOption(new Option('--host <kind>', "the host's kind").choices(kinds).default('amd'))
  .option('--cpu <model>', 'as for npm run lab')
  .option('--gic <version>', 'as for npm run lab')
  .option('--results <folder>', "where vitest's counts come back", 'build/lab-output')
  .allowUnknownOption()
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : USAGE))
  .parse()
/** @type {{ host: string, cpu?: string, gic?: string, results: string }} */
const { host, cpu, gic, results: folder } = program.opts()
const results = resolve(folder)
/** What is chosen of the host, for titles and names: two runs with other choices do not overwrite each other's counts. */
const chosen = [host, ...(cpu === undefined ? [] : [cpu]), ...(gic === undefined ? [] : [`gic-${gic}`])]

/** @param {string} title @param {string} name @param {string[]} command @param {string[]} vitest */
function run(title, name, command, vitest) {
  console.log(`\n── ${title}`)
  const start = performance.now()
  const env = { ...process.env, NODE_KVM_TALLY: join(results, `${name}.tally.json`) }
  const report = ['--reporter=default', '--reporter=./scripts/tally-reporter.mjs']
  const [program = '', ...args] = [...command, 'vitest', 'run', ...vitest, ...report]
  let status
  for (let tries = 1; tries <= TRIES; tries++) {
    ;({ status } = spawnSync(program, args, { cwd: root, env, stdio: 'inherit' }))
    if (status !== LAB_FAILED) break
    console.log(`── ${title}: the machine broke down${tries < TRIES ? '; once more, with a new one' : ' again'}`)
  }
  console.log(
    `── ${title}: ${status === 0 ? 'passed' : 'failed'} after ${Math.round((performance.now() - start) / 1000)} s`,
  )
  return status === 0
}

/** Which takes a minute to make. */
const needsDebian = host === 'amd' && program.args.every((arg) => !arg.includes('.test.') || arg.includes('debian'))
const options = [
  ...['--host', host],
  ...(cpu === undefined ? [] : ['--cpu', cpu]),
  ...(gic === undefined ? [] : ['--gic', gic]),
  ...(needsDebian ? ['--debian'] : []),
  ...['--output', results, '--silence', String(SILENCE_SECONDS)],
]
// A choice that the host does not have is said now, not when the lab's own tests have run.
parseCommandLine([...process.argv.slice(0, 2), ...options, 'npx'])
const passed = [
  // Which are the same whatever is chosen of a host, and so are not for each choice again.
  chosen.length > 1 ||
    run(
      'the lab itself',
      'lab',
      ['npx'],
      [...['--config', 'tests/lab/vitest.config.ts'], ...(host === 'arm64' ? [] : ['--exclude', '**/arm64/**'])],
    ),
  // All in one machine: starting it, and vitest in it, takes as long as many of the tests.
  run(
    `the tests on the ${chosen.join(', ')} host`,
    `lab-${chosen.join('-')}`,
    ['node', 'scripts/lab/main.mjs', ...options, 'npx'],
    [...PROJECTS.flatMap((project) => ['--project', project]), ...program.args],
  ),
]
process.exitCode = passed.every(Boolean) ? 0 : 1
