// @ts-check
// npm test: builds everything and runs the tests; where this host's KVM cannot be used, those that need it run in the lab.
//   npm test -- [VITEST ARGUMENTS...]
import { getReady, run, runInLab, step } from './get-ready.mjs'

/** What needs no KVM. */
const WITHOUT = ['unit']
/**
 * What drives KVM. Left out is what takes long in there, and finds nothing that it would not find on any host: the command's tests,
 * and those of the package and the pages.
 */
const IN_THE_LAB = ['kvm', 'examples']
/** A test that hangs must not hang the lab; each file of tests says when it has passed. */
const SILENCE = ['--silence', '600']

const vitest = ['node_modules/vitest/vitest.mjs', 'run']
const args = process.argv.slice(2)
const named = args.some((arg) => arg.startsWith('--project'))
/** @param {string[]} names */
const projects = (names) => [
  '--passWithNoTests',
  ...(named ? [] : names.flatMap((name) => ['--project', name])),
  ...args,
]

function testHere() {
  // What tests/package installs.
  if (!run('node', ['scripts/prebuild.mjs', 'x64'])) return false
  step('Testing')
  return run('node', [...vitest, ...args])
}

function testInLab() {
  step('Testing here what needs no KVM')
  const without = named || run('node', [...vitest, ...projects(WITHOUT)])
  step('Testing in the lab what drives KVM')
  return runInLab(['node', ...vitest, ...projects(IN_THE_LAB)], SILENCE) && without
}

const where = await getReady()
process.exitCode = (where === 'here' && testHere()) || (where === 'lab' && testInLab()) ? 0 : 1
