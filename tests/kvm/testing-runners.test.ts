// What test runners print of tests of guests that fail.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { scriptPath } from './run-script.js'

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')

/** Nothing of the runner that runs this test, which another one would take for its own. */
const environment = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(VITEST|TEST|NODE_TEST|NODE_V8|NODE_OPTIONS)/.test(name)),
  ),
  NO_COLOR: '1',
}

const runners: [string, string[]][] = [
  ['node:test', ['--test', '--test-reporter=spec', scriptPath('guest-tests-node')]],
  ['Vitest', [vitest, 'run', '--config', scriptPath('guest-tests-config')]],
]

test.each(runners)(
  '%s shows what was expected, what the guest wrote, and why it died',
  (_, args) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      env: environment,
      timeout: 60_000,
      killSignal: 'SIGKILL',
    })
    const printed = stdout + stderr
    expect({ status, printed }).toMatchObject({ status: 1 })
    // The test's own error, and what the guest has to do with it.
    expect(printed).toMatch(/another/)
    expect(printed).toMatch(/The guest was running\.\n/)
    expect(printed).toMatch(/The last it wrote:\n *\| a \\x1b\[31mred answer\n/)
    // The guest's end, with its registers and its last words.
    expect(printed).toMatch(/the guest has failed: triple fault/)
    expect(printed).toMatch(/RIP 00000000000080/)
    expect(printed).toMatch(/\| last words\n/)
    expect(printed).toMatch(/1 passed|pass 1/)
    expect(printed).toMatch(/2 failed|fail 2/)
  },
  90_000,
)
