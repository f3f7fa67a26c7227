// Lesson 11, dirty-log: which pages did the guest write? the answer, drawn as a map
import { readFileSync } from 'node:fs'
import { describeExit, Kvm } from 'node-kvm'

const LOAD_ADDRESS = 0x1000
const PORT_DONE = 0xf4
const PORT_LOOK = 0x510 // guests/dirty-log.c
const PAGE = 4096
const CANVAS = 0x40_0000
const [WIDTH, HEIGHT] = [32, 9] // pages

using kvm = Kvm.open()
using vm = kvm.createVm()
vm.addMemory({ at: 0, size: 0x10_0000 }).write(
  LOAD_ADDRESS,
  readFileSync(new URL('guests/dirty-log.bin', import.meta.url)),
)

// Logging is a property of a region. The guest's code, stack and page tables are in the other one, and do not show.
const canvas = vm.addMemory({ at: CANVAS, size: WIDTH * HEIGHT * PAGE, logDirtyPages: true })

using vcpu = vm.createVcpu(0)
vcpu.setCpuid2(kvm.getSupportedCpuid())
vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
vcpu.setRegs({ rip: BigInt(LOAD_ADDRESS), rflags: 2n })

function draw(written: Set<number>) {
  for (let y = 0; y < HEIGHT; y++) {
    const row = Array.from({ length: WIDTH }, (_, x) => (written.has(CANVAS + (y * WIDTH + x) * PAGE) ? '#' : '.'))
    console.log(row.join(''))
  }
  console.log(`${written.size} of ${WIDTH * HEIGHT} pages written\n`)
}

// Reading the log also clears it: the next one holds what was written from here on. This is how a live migration knows
// what to send again. The log may name too many pages, never too few: on most hosts a page that was only read shows up
// once, because KVM maps it writable on the first access. So the guest begins with a picture 0, to be thrown away.
for (let done = false; !done;) {
  const exit = vcpu.run()
  if (exit.reason !== 'io') throw new Error(`unexpected exit: ${describeExit(exit)}`)
  if (exit.port === PORT_LOOK) {
    const [picture] = exit.data
    const written = new Set(vm.getDirtyLog(canvas))
    if (picture !== 0) draw(written)
  } else if (exit.port === PORT_DONE) done = true
}
