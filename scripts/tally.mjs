// @ts-check
// Adds up the counts that tally-reporter.mjs has left in a folder:
//   node scripts/tally.mjs FOLDER
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'

const [folder = ''] = process.argv.slice(2)
let passed = 0
let failed = 0
let skipped = 0
/** @type {string[]} */
const retried = []
for (const file of existsSync(folder) ? readdirSync(folder).sort() : []) {
  if (!file.endsWith('.tally.json')) continue
  /** @type {unknown} */
  const content = JSON.parse(readFileSync(join(folder, file), 'utf8'))
  const run = /** @type {import('./tally-reporter.mjs').Tally} */ (content)
  passed += run.passed
  failed += run.failed
  skipped += run.skipped
  retried.push(...run.retried.map((test) => `${basename(file, '.tally.json')}: ${test}`))
}
console.log(`\n${retried.length} tests passed only when they were tried again${retried.length > 0 ? ':' : '.'}`)
for (const test of retried) console.log(`  ${test}`)
console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`)
