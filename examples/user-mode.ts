// Lesson 9, user-mode: a guest kernel runs a program in ring 3, with system calls
import { readFileSync } from 'node:fs'
import { describeExit, Kvm } from 'node-kvm'

const LOAD_ADDRESS = 0x1000
const PORT_CONSOLE = 0xe9
const PORT_DONE = 0xf4

using kvm = Kvm.open()
using vm = kvm.createVm()
vm.addMemory({ at: 0, size: 0x40_0000 }).write(
  LOAD_ADDRESS,
  readFileSync(new URL('guests/user-mode.bin', import.meta.url)),
)

// The lesson is in guests/user-mode.c. From the host's side there is nothing to see of rings: no exit tells of a
// system call, nor of the fault that ends the program. The guest's kernel deals with both, at the speed of the
// hardware.
using vcpu = vm.createVcpu(0)
vcpu.setCpuid2(kvm.getSupportedCpuid())
vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
vcpu.setRegs({ rip: BigInt(LOAD_ADDRESS), rflags: 2n })

for (let done = false; !done;) {
  const exit = vcpu.run()
  if (exit.reason !== 'io') throw new Error(`unexpected exit: ${describeExit(exit)}`)
  if (exit.port === PORT_CONSOLE) process.stdout.write(exit.data)
  else if (exit.port === PORT_DONE) done = true
}

// But the host can look. The program was stopped inside the kernel, and the task register tells which TSS that
// kernel had set up.
const { cs, tr } = vcpu.getSregs()
console.log(`host: the vCPU is in ring ${cs.selector & 3}; its TSS is segment 0x${tr.selector.toString(16)}`)
