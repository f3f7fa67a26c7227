// Lesson 8, smp: four vCPUs, woken by INIT and SIPI, take turns on one thread
import { readFileSync } from 'node:fs'
import { describeExit, Kvm } from 'node-kvm'

const LOAD_ADDRESS = 0x1000
const PORT_CONSOLE = 0xe9
const PORT_DONE = 0xf4
const CPUS = 4 // guests/smp.c
const TURN = 2 // milliseconds

using kvm = Kvm.open()
using vm = kvm.createVm()
vm.addMemory({ at: 0, size: 0x40_0000 }).write(LOAD_ADDRESS, readFileSync(new URL('guests/smp.bin', import.meta.url)))
vm.createIrqchip() // the CPUs wake each other through their local APICs

// The number of a vCPU is also the number of its local APIC. They all share the VM's memory. Only the first one
// runs after reset: the others wait until a SIPI tells them where to start, so nothing is set here but their
// features.
const vcpus = Array.from({ length: CPUS }, (_, id) => vm.createVcpu(id))
const cpuid = kvm.getSupportedCpuid()
for (const vcpu of vcpus) vcpu.setCpuid2(cpuid)
vcpus[0]?.setSregs({ cs: { base: 0n, selector: 0 } })
vcpus[0]?.setRegs({ rip: BigInt(LOAD_ADDRESS), rflags: 2n })

// Each vCPU has the thread for a short while: until its deadline, or until it does something the host must see.
// So one thread is enough, although no two CPUs ever run at the same moment.
let done = false
while (!done) {
  for (const vcpu of vcpus) {
    const exit = vcpu.run({ deadline: performance.now() + TURN })
    if (exit.reason === 'interrupted') continue // the turn is over: it spun, or slept, or still waits for its SIPI
    if (exit.reason !== 'io') throw new Error(`unexpected exit of vCPU ${vcpu.id}: ${describeExit(exit)}`)
    if (exit.port === PORT_CONSOLE) process.stdout.write(exit.data)
    else if (exit.port === PORT_DONE) done = true
  }
}
