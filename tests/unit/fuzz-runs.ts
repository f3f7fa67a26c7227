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
