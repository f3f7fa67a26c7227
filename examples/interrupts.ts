// Lesson 6, interrupts: a device interrupts its guest through the kernel's interrupt controllers
import { readFileSync } from 'node:fs'
import { describeExit, Kvm } from 'node-kvm'

const LOAD_ADDRESS = 0x1000
const PORT_CONSOLE = 0xe9
const PORT_DONE = 0xf4
const PORT_DOORBELL = 0x510 // guests/interrupts.c
const DOORBELL_GSI = 5

using kvm = Kvm.open()
using vm = kvm.createVm()
vm.addMemory({ at: 0, size: 0x40_0000 }).write(
  LOAD_ADDRESS,
  readFileSync(new URL('guests/interrupts.bin', import.meta.url)),
)

// The kernel brings two PICs, an I/O APIC, and a local APIC for each vCPU. That changes two things: a vCPU that
// executes `hlt` now sleeps in the kernel until an interrupt comes, without an exit; and accesses to the
// controllers cause no exits.
vm.createIrqchip() // before the first vCPU, so that it gets its local APIC

using vcpu = vm.createVcpu(0)
vcpu.setCpuid2(kvm.getSupportedCpuid()) // guests/shared/start64.S switches to long mode, a feature of this CPUID
vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
vcpu.setRegs({ rip: BigInt(LOAD_ADDRESS), rflags: 2n })

for (let done = false; !done;) {
  const exit = vcpu.run()
  if (exit.reason !== 'io') throw new Error(`unexpected exit: ${describeExit(exit)}`)
  if (exit.port === PORT_CONSOLE) process.stdout.write(exit.data)
  else if (exit.port === PORT_DONE) done = true
  else if (exit.port === PORT_DOORBELL) {
    // A GSI (global system interrupt) is an input of the interrupt controllers. Up and down again is one edge, one
    // interrupt.
    console.log(`host: request ${exit.data[0]}, raising GSI ${DOORBELL_GSI}`)
    vm.irqLine(DOORBELL_GSI, true)
    vm.irqLine(DOORBELL_GSI, false)
  }
}
