// Lesson 15, clock: a clock that keeps ticking in the terminal while a guest computes
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { describeExit, Kvm, ValueCell } from 'node-kvm'

const LOAD_ADDRESS = 0x1000
const PORT_CONSOLE = 0xe9
const PORT_DONE = 0xf4
const PORT_ENOUGH = 0x520 // guests/clock.c
const TICKS = 5
const TICK = 100 // milliseconds

using kvm = Kvm.open()
using vm = kvm.createVm()
vm.addMemory({ at: 0, size: 0x40_0000 }).write(LOAD_ADDRESS, readFileSync(new URL('guests/clock.bin', import.meta.url)))
using vcpu = vm.createVcpu(0)
vcpu.setCpuid2(kvm.getSupportedCpuid())
vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
vcpu.setRegs({ rip: BigInt(LOAD_ADDRESS), rflags: 2n })

// The guest asks at every step whether it is enough. Its thread answers from this value; JavaScript hears nothing of it.
const enough = new ValueCell({ offset: 0, value: 0 })
vm.mapCells({ port: PORT_ENOUGH }, [enough])

const finished = vcpu.start((exit) => {
  if (exit.reason !== 'io') throw new Error(`unexpected exit: ${describeExit(exit)}`)
  if (exit.port === PORT_CONSOLE) process.stdout.write(exit.data)
  else if (exit.port === PORT_DONE) void vcpu.stop()
})

// With run() nothing here would happen before the guest had ended, and it never would.
for (let tick = 1; tick <= TICKS; tick++) {
  await sleep(TICK)
  process.stdout.write(`\rhost: ${(tick * TICK) / 1000} s `) // \r: the same line again
}
process.stdout.write('\n')
enough.value = 1
await finished
