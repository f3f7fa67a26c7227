// Lesson 1, hello: a guest in real mode prints a greeting through a port
import { readFileSync } from 'node:fs'
import { describeExit, Kvm } from 'node-kvm'

const LOAD_ADDRESS = 0x1000
const PORT_CONSOLE = 0xe9 // guests/shared/ports.h

// Three handles, each made from the one before: the kernel's KVM, a virtual machine, and (below) a virtual CPU.
// `using` closes them, last first, when the program ends or throws.
using kvm = Kvm.open()
using vm = kvm.createVm()

// The machine's only memory: 64 KiB at guest physical address 0. The guest is a few bytes of machine code;
// guests/hello.S is its source.
const ram = vm.addMemory({ at: 0, size: 0x1_0000 })
ram.write(LOAD_ADDRESS, readFileSync(new URL('guests/hello.bin', import.meta.url)))

// A new vCPU is an x86 just after reset, about to run firmware at 0xfffffff0. There is none here: code starts at
// segment base 0. Registers are bigints. What is left out keeps its value.
using vcpu = vm.createVcpu(0)
vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
vcpu.setRegs({ rip: BigInt(LOAD_ADDRESS), rflags: 2n }) // bit 1 of rflags is always set

// run() enters the guest, and comes back when the guest does something that only the host can do for it.
for (let halted = false; !halted;) {
  const exit = vcpu.run()
  if (exit.reason === 'io' && exit.direction === 'out' && exit.port === PORT_CONSOLE) process.stdout.write(exit.data)
  else if (exit.reason === 'hlt') halted = true
  else throw new Error(`unexpected exit: ${describeExit(exit)}`)
}
