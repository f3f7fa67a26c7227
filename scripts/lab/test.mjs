// @ts-check
// npm run test:lab: the lab's own tests out here, then the test suite and the examples on the nested host.
//   npm run test:lab -- [--host KIND] [--results FOLDER] [VITEST ARGUMENTS...]
// FOLDER gets the counts of both, see scripts/tally-reporter.mjs.

import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, Option } from 'commander'
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
  .option('--results <folder>', "where vitest's counts come back", 'build/lab-output')
  .allowUnknownOption()
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : USAGE))
  .parse()
/** @type {{ host: string, results: string }} */
const { host, results: folder } = program.opts()
const results = resolve(folder)

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

const lab = [
  ...['node', 'scripts/lab/main.mjs', '--host', host],
  ...['--output', results, '--silence', String(SILENCE_SECONDS)],
]
const passed = [
  run('the lab itself', 'lab', ['npx'], ['--config', 'tests/lab/vitest.config.ts']),
  // All in one machine: starting it, and vitest in it, takes as long as many of the tests.
  run(
    `the tests on the ${host} host`,
    `lab-${host}`,
    [...lab, 'npx'],
    [...PROJECTS.flatMap((project) => ['--project', project]), ...program.args],
  ),
]
process.exitCode = passed.every(Boolean) ? 0 : 1
