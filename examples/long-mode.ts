// Lesson 4, long-mode: the host builds page tables, and a C program runs in 64-bit mode
import { readFileSync } from 'node:fs'
import { describeExit, Kvm } from 'node-kvm'
import { CR0, CR4, EFER, flatSegment } from 'node-kvm/arch/x86'

const LOAD_ADDRESS = 0x1000
const PML4 = 0x1_0000 // the three levels of page tables, a page each
const PDPT = 0x1_1000
const PAGE_DIRECTORY = 0x1_2000
const STACK_TOP = 0x8_0000
const PORT_CONSOLE = 0xe9

const PTE_PRESENT = 1n << 0n
const PTE_WRITABLE = 1n << 1n
const PTE_LARGE = 1n << 7n // in a page directory: the entry maps 2 MiB itself instead of naming a page table

using kvm = Kvm.open()
using vm = kvm.createVm()
const ram = vm.addMemory({ at: 0, size: 0x20_0000 })
ram.write(LOAD_ADDRESS, readFileSync(new URL('guests/long-mode.bin', import.meta.url)))

// Long mode is never without paging. The smallest page tables: one entry on each level, and the last maps the first
// 2 MiB one to one.
ram.writeUint64(PML4, BigInt(PDPT) | PTE_PRESENT | PTE_WRITABLE)
ram.writeUint64(PDPT, BigInt(PAGE_DIRECTORY) | PTE_PRESENT | PTE_WRITABLE)
ram.writeUint64(PAGE_DIRECTORY, 0n | PTE_PRESENT | PTE_WRITABLE | PTE_LARGE)

// A 64-bit code segment has l = 1 and db = 0; data segments are as in 32-bit mode.
const code = flatSegment('code64', 0x08)
const data = flatSegment('data', 0x10)

using vcpu = vm.createVcpu(0)
vcpu.setCpuid2(kvm.getSupportedCpuid()) // a new vCPU has no features at all; give it what this host can do
vcpu.setSregs({
  cr0: CR0.PE | CR0.ET | CR0.NE | CR0.PG,
  cr3: BigInt(PML4),
  cr4: CR4.PAE,
  efer: EFER.LME | EFER.LMA, // long mode enabled, and active
  ...{ cs: code, ds: data, es: data, fs: data, gs: data, ss: data },
})
// On entry to a C function the stack holds a return address, so rsp is 8 off a multiple of 16.
vcpu.setRegs({ rip: BigInt(LOAD_ADDRESS), rsp: BigInt(STACK_TOP - 8), rflags: 2n })

for (let halted = false; !halted;) {
  const exit = vcpu.run()
  if (exit.reason === 'io' && exit.port === PORT_CONSOLE) process.stdout.write(exit.data)
  else if (exit.reason === 'hlt') halted = true
  else throw new Error(`unexpected exit: ${describeExit(exit)}`)
}
