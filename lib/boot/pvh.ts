import { hex } from '../format.js'
import { BOOT_INFO_ADDRESS, FOUR_GIB, PAGE } from './addresses.js'
import { BootPlan } from './boot-plan.js'
import { planCommandLine } from './command-line.js'
import { findNote } from '../image/elf/notes.js'
import { type ElfImage, parseElf } from '../image/elf/parse.js'
import { planSegments } from './place-elf.js'
import { planProtectedMode } from './entry-state.js'
import { imageError } from '../image/image-error.js'
import { planInitrd } from './initrd.js'
import { checkKernelOptions, type KernelOptions } from './linux/options.js'
import { COMMAND_LINE_FAULT, COMMAND_LINE_MAX, INITRD_FAULT, INITRD_LAST } from './linux/vmlinux.js'
import { E820_NUMBERS, type E820Entry } from '../arch/x86/memory-layout.js'
import type { LoadMemory } from '../memory/placed.js'
import type { BootResult } from './types.js'

/** The note that says where the 32-bit entry is (Xen, xen/include/public/elfnote.h). */
const XEN_ELFNOTE_PHYS32_ENTRY = 18
const NOTE_NAME = 'Xen'

// struct hvm_start_info, version 1 (Xen, xen/include/public/arch-x86/hvm/start_info.h).
const MAGIC = 0x336e_c578
const VERSION = 1
const START_INFO_SIZE = 56
const MODULE_SIZE = 32
const MEMMAP_ENTRY_SIZE = 24

const fault = { image: 'guest memory', field: 'low memory' }

/** Whether an ELF kernel has a PVH entry. Throws when it is no ELF image at all. */
export function hasPvhEntry(kernel: Uint8Array): boolean {
  return findEntry(parseElf(kernel)) !== undefined
}

/**
 * Loads an ELF vmlinux by the PVH protocol (Xen, docs/misc/pvh.pandoc): 32-bit protected mode, EBX = hvm_start_info.
 * Throws `ERR_KVM_BOOT_IMAGE` before it writes anything.
 */
export function loadPvh(memory: LoadMemory, options: KernelOptions): BootResult {
  const { kernel, initrd, cmdline, e820, rsdp } = checkKernelOptions(options)
  const elf = parseElf(kernel)
  const entry = findEntry(elf)
  if (entry === undefined) {
    throw imageError({ image: 'ELF', field: 'PT_NOTE' }, 'no XEN_ELFNOTE_PHYS32_ENTRY: the kernel has no PVH entry')
  }
  const plan = new BootPlan(memory, e820)
  planSegments(plan, elf, 'kernel segment')
  const enter = planProtectedMode(plan)
  const content = new Uint8Array(Math.ceil(startInfoSize(plan.e820) / PAGE) * PAGE)
  const startInfo = plan.place({ name: 'hvm_start_info', from: BOOT_INFO_ADDRESS, align: PAGE, content, fault })
  const commandLine = planCommandLine(plan, cmdline, COMMAND_LINE_MAX, COMMAND_LINE_FAULT)
  const ramdisk = planInitrd(plan, initrd, INITRD_LAST, INITRD_FAULT)
  fillStartInfo(content, { address: startInfo, commandLine, initrd: ramdisk, e820: plan.e820, rsdp })
  return plan.commit(enter({ rip: BigInt(entry), rbx: BigInt(startInfo) }))
}

/** An address of another width than 4 or 8 bytes cannot be read, and so is none. One that lies outside the kernel is a lie. */
function findEntry(elf: ElfImage): number | undefined {
  const note = findNote(elf, NOTE_NAME, XEN_ELFNOTE_PHYS32_ENTRY)
  if (note === undefined || (note.descriptor.length !== 4 && note.descriptor.length !== 8)) return undefined
  // Little-endian; the upper half of a 64-bit one must be 0.
  const entry = note.descriptor.reduce((sum, byte, index) => sum + byte * 2 ** (8 * index), 0)
  const isInside = elf.segments.some(({ paddr, memsz }) => entry >= paddr && entry < paddr + memsz)
  if (entry < FOUR_GIB && isInside) return entry
  const where = { image: 'ELF', field: 'XEN_ELFNOTE_PHYS32_ENTRY', offset: note.offset }
  throw imageError(where, `${hex(entry)} lies in no segment below 4 GiB`, { entry })
}

const startInfoSize = (e820: readonly E820Entry[]) =>
  START_INFO_SIZE + 8 + MODULE_SIZE + e820.length * MEMMAP_ENTRY_SIZE

interface StartInfo {
  address: number
  commandLine: number
  initrd: { start: number; size: number } | undefined
  e820: readonly E820Entry[]
  rsdp: number
}

/** The structure itself, then one module entry, then the memory map. */
function fillStartInfo(bytes: Uint8Array, { address, commandLine, initrd, e820, rsdp }: StartInfo): void {
  const view = new DataView(bytes.buffer)
  const uint64 = (offset: number, value: number) => view.setBigUint64(offset, BigInt(value), true)
  const [modules, memoryMap] = [START_INFO_SIZE + 8, START_INFO_SIZE + 8 + MODULE_SIZE]
  view.setUint32(0, MAGIC, true)
  view.setUint32(4, VERSION, true)
  view.setUint32(12, initrd === undefined ? 0 : 1, true)
  uint64(16, initrd === undefined ? 0 : address + modules)
  uint64(24, commandLine)
  uint64(32, rsdp)
  uint64(40, address + memoryMap)
  view.setUint32(48, e820.length, true)
  if (initrd !== undefined) {
    uint64(modules, initrd.start)
    uint64(modules + 8, initrd.size)
  }
  for (const [index, { start, size, type }] of e820.entries()) {
    const at = memoryMap + index * MEMMAP_ENTRY_SIZE
    uint64(at, start)
    uint64(at + 8, size)
    view.setUint32(at + 16, E820_NUMBERS[type], true)
  }
}
