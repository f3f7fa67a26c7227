// Lesson 13, snapshot: save a machine, run on, and go back
import { readFileSync } from 'node:fs'
import { describeExit, Kvm } from 'node-kvm'

const LOAD_ADDRESS = 0x1000
const PORT_CONSOLE = 0xe9

using kvm = Kvm.open()
using vm = kvm.createVm()
const ram = vm.addMemory({ at: 0, size: 0x1_0000 })
ram.write(LOAD_ADDRESS, readFileSync(new URL('guests/snapshot.bin', import.meta.url)))
using vcpu = vm.createVcpu(0)
vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
vcpu.setRegs({ rip: BigInt(LOAD_ADDRESS), rflags: 2n })

// The guest prints a digit from a register and a letter from memory, moves both on, and halts.
// Without the kernel's irqchip a halt is just an exit like any other: the next run() goes on behind it.
function runSteps(count: number) {
  for (let steps = 0; steps < count;) {
    const exit = vcpu.run()
    if (exit.reason === 'io' && exit.port === PORT_CONSOLE) process.stdout.write(exit.data)
    else if (exit.reason === 'hlt') process.stdout.write(++steps < count ? ' ' : '\n')
    else throw new Error(`unexpected exit: ${describeExit(exit)}`)
  }
}

// A machine is plain state: its memory and its registers. This guest uses no more than these; a kernel would also
// need the floating-point state, MSRs, the local APIC, pending events, and the state of every device.
const save = () => ({ memory: ram.read(0, ram.size), regs: vcpu.getRegs(), sregs: vcpu.getSregs() })
function restore(snapshot: ReturnType<typeof save>) {
  ram.write(0, snapshot.memory)
  vcpu.setSregs(snapshot.sregs)
  vcpu.setRegs(snapshot.regs)
}

runSteps(3)
const snapshot = save()
console.log('host: saved')
runSteps(4)
restore(snapshot)
console.log('host: restored')
runSteps(4)
