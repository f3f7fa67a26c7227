// @ts-check
// What a snapshot costs, over what its machine has written, and what it costs to go on from one, over the size of its memory.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Machine, Snapshot } from 'node-kvm/machine'
import { buildProgram, runProgram } from './baseline.mjs'
import { listener, machineOf, pair } from './fork.mjs'
import { median } from './rounds.mjs'

/** @import { Bench } from './main.mjs' */
/** @import { Case } from './rounds.mjs' */

const MIB = 2 ** 20
const PAGE = 4096
const SIZES = [64, 4096]
const WRITTEN = [16, 4096]
const MICROSECOND = 1_000 // ns

/** @type {Bench} */
export const snapshot = {
  about:
    'a snapshot of a machine, over what it wrote; from a snapshot to the first access of its guest, over its memory',
  rounds: 5,
  count: 10,
  async prepare(count) {
    if (process.arch !== 'x64') throw new Error(`its guest is an x86 program; there is none for ${process.arch}`)
    const program = buildProgram('fork')
    const folder = mkdtempSync(join(tmpdir(), 'node-kvm-bench-'))
    process.once('exit', () => rmSync(folder, { recursive: true }))
    mkdirSync(join(folder, 'c'))
    /** @param {string} what @param {number} size @param {number} pages */
    const inC = (what, size, pages) =>
      median(runProgram(program, what, count, size * MIB, pages, join(folder, 'c'))) / MICROSECOND
    /** @type {Case[]} */
    const cases = []
    for (const pages of WRITTEN) {
      const machine = await machineOf(64)
      for (let page = 1; page <= pages; page++) machine.vm.memory.write(page * 2 * PAGE, Uint8Array.of(1))
      const directory = join(folder, `${pages}`)
      const here = () => medianOf(count, () => machine.snapshot(directory))
      cases.push(...pair(`snapshot ${pages} pages`, 1.5, () => inC('snapshot', 64, pages), here))
    }
    for (const size of SIZES) {
      const machine = await machineOf(size)
      const directory = join(folder, `of-${size}`)
      await machine.snapshot(directory)
      machine.close()
      const here = () => medianOf(count, () => restore(directory))
      cases.push(...pair(`restore ${size} MiB`, 1.5, () => inC('restore', size, 0), here))
    }
    return cases
  },
}

/** From the directory to the guest's first access. @param {string} directory */
async function restore(directory) {
  const saved = await Snapshot.open(directory)
  /** @type {Machine | undefined} */
  let running
  const machine = await Machine.restore(saved, { devices: [listener(() => void running?.stop())] })
  running = machine
  await machine.run()
  const arrived = process.hrtime.bigint()
  machine.close()
  await saved.close()
  return arrived
}

/** In microseconds. @param {number} count @param {() => Promise<bigint | void>} once which may return when it was done */
async function medianOf(count, once) {
  const times = []
  for (let done = 0; done < count; done++) {
    const start = process.hrtime.bigint()
    const arrived = await once()
    times.push(Number((arrived ?? process.hrtime.bigint()) - start))
  }
  return median(times) / MICROSECOND
}
