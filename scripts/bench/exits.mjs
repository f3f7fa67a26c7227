// @ts-check
// What an exit costs: out of the guest, to the handler that looks at it, and back into the guest.
import { readFileSync } from 'node:fs'
import { describeExit, Kvm } from 'node-kvm'
import { buildGuest, buildProgram, runProgram } from './baseline.mjs'
import { mean, median, medianTime } from './rounds.mjs'
import { delayCases, threadCases } from './threads.mjs'

/** @import { Exit, Vcpu } from 'node-kvm' */
/** @import { Bench } from './main.mjs' */

const LOAD_ADDRESS = 0x1000
const PORT = 0x10 // tests/bench/out-loop.S
const SLICE = 50 // exits: well below a millisecond
const WARM_UP = 5_000 // exits: the loop has been optimised by then
const FAR_AHEAD = 60_000 // ms

/** @type {Bench} */
export const exits = {
  about: 'an exit by port I/O, handled in TypeScript and in C',
  rounds: 15,
  count: 20_000,
  prepare(count) {
    if (process.arch !== 'x64') throw new Error(`its guest is an x86 program; there is none for ${process.arch}`)
    const exits = Math.min(count, SLICE)
    const slices = Math.floor(count / exits)
    const image = buildGuest('out-loop', LOAD_ADDRESS)
    const program = buildProgram('exits')

    /** @param {(vcpu: Vcpu, seen: number, count: number) => number} run */
    const measure = (run) => {
      const vcpu = createVcpu(image)
      let seen = run(vcpu, 0, WARM_UP)
      return () => medianTime(slices, () => (seen = run(vcpu, seen, exits))) / exits
    }
    // Three threads, as 'two vCPUs' has them.
    const handing = buildProgram('handed-exits')
    const handed = () => runProgram(handing, image, Math.ceil(slices / 4), exits, 2, 'yield')
    const compare = { against: 'C', unit: 'ns' }
    const inC = () => runProgram(program, image, PORT, slices, exits)
    return [
      { ...compare, name: 'C', measure: () => median(inC()) / exits },
      // What the host does in between counts here: beside what is measured over a while.
      { ...compare, name: 'C, over a while', measure: () => mean(inC()) / exits },
      { ...compare, name: 'run()', target: 1.05, measure: measure(drive) },
      { ...compare, name: 'run({ deadline })', measure: measure(driveUntil) },
      ...threadCases(count),
      { ...compare, name: 'two vCPUs in C, each', measure: () => median(handed()) / exits },
    ]
  },
}

/** @param {string} image */
function createVcpu(image) {
  const vm = Kvm.open().createVm()
  vm.addMemory({ at: 0, size: 0x1_0000 }).write(LOAD_ADDRESS, readFileSync(image))
  const vcpu = vm.createVcpu(0)
  vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
  vcpu.setRegs({ rip: BigInt(LOAD_ADDRESS), rflags: 2n })
  return vcpu
}

// The loops that a user writes. `seen` is how many exits the vCPU has had before.

/** @param {Vcpu} vcpu @param {number} seen @param {number} count */
function drive(vcpu, seen, count) {
  const end = seen + count
  while (seen < end) handle(vcpu.run(), ++seen)
  return seen
}

/** @param {Vcpu} vcpu @param {number} seen @param {number} count */
function driveUntil(vcpu, seen, count) {
  const deadline = performance.now() + FAR_AHEAD
  const end = seen + count
  while (seen < end) handle(vcpu.run({ deadline }), ++seen)
  return seen
}

/** @param {Exit} exit @param {number} seen */
function handle(exit, seen) {
  switch (exit.reason) {
    case 'io':
      if (exit.direction !== 'out' || exit.port !== PORT) throw new Error(`unexpected exit: ${describeExit(exit)}`)
      if (exit.data[0] !== (seen & 0xff)) throw new Error(`exit ${seen} brought byte ${exit.data[0]}`)
      break
    default:
      throw new Error(`unexpected exit: ${describeExit(exit)}`)
  }
}

/** @type {Bench} */
export const delay = {
  about: 'how late the event loop is beside vCPUs that exit without pause',
  rounds: 7,
  count: 1,
  prepare: () => delayCases(),
}
