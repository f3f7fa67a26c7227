// Lesson 10, triple-fault: a guest dies, and the host finds the instruction that killed it
import { readFileSync } from 'node:fs'
import { describeExit, Kvm, type Regs, type Vm } from 'node-kvm'

const LOAD_ADDRESS = 0x1000
const PORT_CONSOLE = 0xe9

using kvm = Kvm.open()
const image = readFileSync(new URL('guests/triple-fault.bin', import.meta.url))

function load(vm: Vm) {
  vm.addMemory({ at: 0, size: 0x40_0000 }).write(LOAD_ADDRESS, image)
  const vcpu = vm.createVcpu(0) // closed with its VM
  vcpu.setCpuid2(kvm.getSupportedCpuid())
  vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
  vcpu.setRegs({ rip: BigInt(LOAD_ADDRESS), rflags: 2n })
  return vcpu
}

// The guest's first life ends in a shutdown. What the registers say after it depends on the host:
// Intel's hardware leaves them as they were, AMD's makes no promise and KVM resets the vCPU.
let exits = 0
{
  using vm = kvm.createVm()
  const vcpu = load(vm)
  for (let dead = false; !dead;) {
    const exit = vcpu.run()
    exits++
    if (exit.reason === 'io' && exit.port === PORT_CONSOLE) process.stdout.write(exit.data)
    else if (exit.reason === 'shutdown') dead = true
    else throw new Error(`unexpected exit: ${describeExit(exit)}`)
    if (dead) console.log(`host: exit ${exits} is the guest's last: ${describeExit(exit)}`)
  }
}

// So give it a second life. The same guest does the same again: run it at full speed up to its last sign of life,
// and from there one instruction at a time, always remembering the registers. The last ones remembered are those
// before the end.
{
  using vm = kvm.createVm()
  const vcpu = load(vm)
  for (let seen = 1; seen < exits; seen++) vcpu.run()
  let last: Regs
  do {
    last = vcpu.getRegs()
    vcpu.setGuestDebug({ enable: true, singleStep: true }) // lesson 12
  } while (vcpu.run().reason === 'debug')

  const code = vm.memory.read(Number(last.rip), 3) // virtual is physical here: the guest's page tables map one to one
  console.log('host: the last instruction it tried is')
  console.log(`  rip 0x${last.rip.toString(16)}: ${Buffer.from(code).toString('hex')}   mov %rax, (%rdi)`)
  console.log(`  with rax = ${last.rax} and rdi = 0x${last.rdi.toString(16)}`)
}
