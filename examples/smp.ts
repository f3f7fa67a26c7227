// Lesson 8, smp: four vCPUs, woken by INIT and SIPI, take turns on one thread
import { readFileSync } from 'node:fs'
import { describeExit, Kvm, type Vcpu } from 'node-kvm'

const LOAD_ADDRESS = 0x1000
const PORT_CONSOLE = 0xe9
const PORT_DONE = 0xf4
const CPUS = 4 // guests/smp.c
const TURN = 2 // milliseconds

using kvm = Kvm.open()
using vm = kvm.createVm()
vm.addMemory({ at: 0, size: 0x40_0000 }).write(LOAD_ADDRESS, readFileSync(new URL('guests/smp.bin', import.meta.url)))
vm.createIrqchip() // the CPUs wake each other through their local APICs

// All vCPUs share the VM's memory. The number of each is also the number of its local APIC.
const first = vm.createVcpu(0)
const others = Array.from({ length: CPUS - 1 }, (_, index) => vm.createVcpu(index + 1))
const vcpus = [first, ...others]
const cpuid = kvm.getSupportedCpuid()
for (const vcpu of vcpus) vcpu.setCpuid2(cpuid)

// Only the first runs after reset. The others wait until a SIPI tells them where to start.
first.setSregs({ cs: { base: 0n, selector: 0 } })
first.setRegs({ rip: BigInt(LOAD_ADDRESS), rflags: 2n })

// A vCPU has the thread until its deadline, and answers for what it does meanwhile. So one thread is enough, although
// no two CPUs ever run at the same moment. Returns whether the guest has finished.
function takeTurn(vcpu: Vcpu): boolean {
  const deadline = performance.now() + TURN
  for (;;) {
    const exit = vcpu.run({ deadline })
    if (exit.reason === 'interrupted') return false // time is up: it spun, or slept, or still waits for its SIPI
    if (exit.reason !== 'io') throw new Error(`unexpected exit of vCPU ${vcpu.id}: ${describeExit(exit)}`)
    if (exit.port === PORT_CONSOLE) process.stdout.write(exit.data)
    else if (exit.port === PORT_DONE) return true
  }
}

for (let done = false; !done;) done = vcpus.some(takeTurn)
