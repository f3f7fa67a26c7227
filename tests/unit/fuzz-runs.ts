import { appendFileSync } from 'node:fs'
import { expect } from 'vitest'

/** How many inputs each fuzz test tries. `npm run fuzz` asks for more. */
const RUNS = Number(process.env['NODE_KVM_FUZZ_RUNS'] ?? 200)
const SEED = Number(process.env['NODE_KVM_FUZZ_SEED'] ?? 6)
/** A file that gets a line for each fuzz test. */
const REPORT = process.env['NODE_KVM_FUZZ_REPORT']

/** fast-check's parameters for the test that runs. Where one input takes long, a share of the inputs will do. */
export function fuzzRuns(share = 1): { numRuns: number; seed: number } {
  const numRuns = Math.ceil(RUNS * share)
  const name = expect.getState().currentTestName ?? ''
  if (REPORT !== undefined) appendFileSync(REPORT, `${String(numRuns).padStart(9)}  ${name}\n`)
  return { numRuns, seed: SEED }
}

/** What the work on one input of some hundred bytes may take of the processor, in microseconds: a thousand times what it does. */
const WORK_LIMIT = 1_000_000

/** Does `work`, and fails where an input asks for more than its size: on a busy machine only when it does so three times. */
export function boundedWork<T>(work: () => T): T {
  for (let attempt = 1; ; attempt++) {
    const before = process.cpuUsage()
    const result = work()
    const { user, system } = process.cpuUsage(before)
    if (user + system < WORK_LIMIT) return result
    if (attempt === 3) throw new Error(`an input took ${user + system} µs of the processor`)
  }
}
