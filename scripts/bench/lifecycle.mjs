// @ts-check
// What a VM costs: create it with one vCPU, without and with memory, and destroy it.
import { Kvm } from 'node-kvm'
import { buildProgram, runProgram } from './baseline.mjs'
import { median, medianTime } from './rounds.mjs'

/** @import { Bench } from './main.mjs' */
/** @import { Case } from './rounds.mjs' */

const HLT = Uint8Array.of(0xf4)
const MICROSECOND = 1_000 // ns

/** @type {Bench} */
export const lifecycle = {
  about: 'create and destroy a VM with one vCPU',
  rounds: 15,
  count: 50,
  prepare(count) {
    const program = buildProgram('lifecycle')
    const kvm = Kvm.open()
    /** @param {string} what @param {number} size @returns {Case[]} */
    const compare = (what, size) => {
      const floor = `${what}, in C`
      const common = { against: floor, unit: 'µs' }
      return [
        { ...common, name: floor, measure: () => median(runProgram(program, count, size)) / MICROSECOND },
        { ...common, name: what, target: 1.3, measure: () => medianTime(count, () => live(kvm, size)) / MICROSECOND },
      ]
    }
    return [...compare('VM and vCPU', 0), ...compare('VM, vCPU and 2 MiB', 2 * 1024 * 1024)]
  },
}

/** @param {Kvm} kvm @param {number} size */
function live(kvm, size) {
  const vm = kvm.createVm()
  if (size !== 0) vm.addMemory({ at: 0, size }).write(0x1000, HLT)
  vm.createVcpu(0)
  vm.close()
}
