// Lesson 12, single-step: every instruction of a guest, and the registers it changes
import { readFileSync } from 'node:fs'
import { describeExit, Kvm } from 'node-kvm'

const LOAD_ADDRESS = 0x1000
const HLT = 0xf4 // the instruction's only byte

using kvm = Kvm.open()
using vm = kvm.createVm()
const ram = vm.addMemory({ at: 0, size: 0x1_0000 })
ram.write(LOAD_ADDRESS, readFileSync(new URL('guests/single-step.bin', import.meta.url)))
using vcpu = vm.createVcpu(0)
vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
vcpu.setRegs({ rip: BigInt(LOAD_ADDRESS), rflags: 2n, rax: 0n, rbx: 0n, rcx: 0n, rdx: 0n })

const WATCHED = ['rax', 'rbx', 'rcx', 'rdx'] as const
let before = vcpu.getRegs()
console.log('rip     changes')
// Up to the hlt, not beyond it: whether a single-stepped hlt is a "hlt" or a "debug" exit depends on the host.
while (ram.readUint8(Number(before.rip)) !== HLT) {
  // With this, run() comes back with a "debug" exit after one instruction. The guest notices nothing. It is said
  // anew for each step: after an instruction that KVM itself carried out (such as `out`), some hosts have forgotten
  // it.
  vcpu.setGuestDebug({ enable: true, singleStep: true })
  const exit = vcpu.run()
  if (exit.reason !== 'debug') throw new Error(`unexpected exit: ${describeExit(exit)}`)
  const after = vcpu.getRegs()
  if (after.rip === before.rip) continue // some hosts stop once in front of the first instruction, too
  const changes = WATCHED.filter((name) => after[name] !== before[name]).map(
    (name) => `${name} ${before[name]} -> ${after[name]}`,
  )
  console.log(`0x${before.rip.toString(16)}  ${changes.join(', ')}`.trimEnd())
  before = after
}
console.log(`the greatest common divisor is ${before.rax}`)
