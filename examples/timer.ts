// Lesson 7, timer: the kernel's timer chip ticks, and a deadline guards the host's patience
import { readFileSync } from 'node:fs'
import { describeExit, Kvm } from 'node-kvm'

const LOAD_ADDRESS = 0x1000
const PORT_CONSOLE = 0xe9
const PORT_DONE = 0xf4
const TIME_FOR_FIVE_TICKS = 50 // milliseconds: guests/timer.c sets 100 ticks a second
const PATIENCE = 60_000

using kvm = Kvm.open()
using vm = kvm.createVm()
vm.addMemory({ at: 0, size: 0x40_0000 }).write(LOAD_ADDRESS, readFileSync(new URL('guests/timer.bin', import.meta.url)))
vm.createIrqchip()
vm.createPit2() // the 8254 timer; its channel 0 is wired to GSI 0

using vcpu = vm.createVcpu(0)
vcpu.setCpuid2(kvm.getSupportedCpuid())
vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
vcpu.setRegs({ rip: BigInt(LOAD_ADDRESS), rflags: 2n })

// With the kernel's irqchip a halted vCPU stays in the kernel, and so does this thread. A deadline, a point in time
// on the clock of performance.now(), brings it back whatever the guest does.
const start = performance.now()
for (let done = false; !done;) {
  const exit = vcpu.run({ deadline: start + PATIENCE })
  if (exit.reason === 'interrupted') throw new Error('the timer does not tick')
  if (exit.reason !== 'io') throw new Error(`unexpected exit: ${describeExit(exit)}`)
  if (exit.port === PORT_CONSOLE) process.stdout.write(exit.data)
  else if (exit.port === PORT_DONE) done = true
}
const elapsed = performance.now() - start
console.log(`host: that took ${elapsed < TIME_FOR_FIVE_TICKS ? 'less than' : 'at least'} ${TIME_FOR_FIVE_TICKS} ms`)
