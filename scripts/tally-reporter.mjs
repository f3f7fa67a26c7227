// @ts-check
// A reporter for vitest that leaves the counts of a run in the file that NODE_KVM_TALLY names, with each test that passed only when it
// was tried again. scripts/tally.mjs adds up what several runs have left.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** @typedef {{ passed: number, failed: number, skipped: number, retried: string[] }} Tally */

/** @typedef {import('vitest/node').Reporter} Reporter */

/** @implements {Reporter} */
export default class TallyReporter {
  /** @param {ReadonlyArray<import('vitest/node').TestModule>} modules @param {ReadonlyArray<unknown>} errors */
  onTestRunEnd(modules, errors) {
    const file = process.env['NODE_KVM_TALLY']
    if (file === undefined) throw new Error('NODE_KVM_TALLY does not name the file for the counts')
    /** @type {Tally} */
    const tally = { passed: 0, failed: errors.length, skipped: 0, retried: [] }
    for (const module of modules) {
      // What goes wrong outside a test: a file that cannot be loaded, a hook.
      const failed = tally.failed
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed') tally.passed++
        else if (state === 'failed') tally.failed++
        else tally.skipped++
        if (test.diagnostic()?.flaky === true) tally.retried.push(`${module.relativeModuleId}: ${test.fullName}`)
      }
      if (module.state() === 'failed' && tally.failed === failed) tally.failed++
    }
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, JSON.stringify(tally))
  }
}
