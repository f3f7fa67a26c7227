// Lesson 14, smp-threads: four vCPUs on threads of their own, all at the same time
import { readFileSync } from 'node:fs'
import { describeExit, type Exit, Kvm, ValueCell } from 'node-kvm'

const LOAD_ADDRESS = 0x1000
const PORT_CONSOLE = 0xe9
const PORT_DONE = 0xf4
const CPUS = 4 // guests/smp-threads.c

using kvm = Kvm.open()
using vm = kvm.createVm()
vm.addMemory({ at: 0, size: 0x40_0000 }).write(
  LOAD_ADDRESS,
  readFileSync(new URL('guests/smp-threads.bin', import.meta.url)),
)
vm.createIrqchip()

const vcpus = Array.from({ length: CPUS }, (_, id) => vm.createVcpu(id))
for (const vcpu of vcpus) {
  vcpu.setCpuid2(kvm.getSupportedCpuid())
  vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
  vcpu.setRegs({ rip: BigInt(LOAD_ADDRESS), rflags: 2n })
}

// What the guest prints need not stop it: its thread puts each write into a ring and runs on.
const console = new ValueCell({ offset: 0, write: 'post' })
vm.mapCells({ port: PORT_CONSOLE }, [console], (_offset, data) => process.stdout.write(data))

// Every other exit of every vCPU comes here, one at a time: this is one JavaScript thread, whatever the guests do.
// Those that wait for their SIPI, and those that have halted, sleep in the kernel and need nothing from us.
function handle(exit: Exit): void {
  if (exit.reason !== 'io' || exit.port !== PORT_DONE) throw new Error(`unexpected exit: ${describeExit(exit)}`)
  void vm.stop() // takes effect when this function has returned
}

await Promise.all(vcpus.map((vcpu) => vcpu.start(handle)))
