import { hex } from '../../format.js'
import { FOUR_GIB } from '../addresses.js'
import { BootPlan } from '../boot-plan.js'
import { parseElf } from '../../image/elf/parse.js'
import { physicalEntry, planSegments } from '../place-elf.js'
import { planProtectedMode } from '../entry-state.js'
import { ImageReader } from '../../image/image-reader.js'
import { E820_NUMBERS, type E820Entry } from '../../arch/x86/memory-layout.js'
import type { LoadMemory } from '../../memory/placed.js'
import type { BootResult } from '../types.js'
import { planByAddressFields } from './address-fields.js'
import {
  checkMultibootOptions,
  LOADER_NAME,
  memorySizes,
  type MultibootOptions,
  type PlacedModule,
  planInfo,
  planModules,
} from './modules.js'
import { INFO, parseMultiboot2Header } from './multiboot2-header.js'

// Multiboot 2.0, 3.3 and 3.4: what the kernel finds in EAX, and at EBX.
const BOOTLOADER_MAGIC = 0x36d7_6289n
const MAP_ENTRY_SIZE = 24
const MAP_ENTRY_VERSION = 0

/** Loads a Multiboot 2 kernel, ELF or with an address tag. Throws `ERR_KVM_BOOT_IMAGE` before it writes anything. */
export function loadMultiboot2(memory: LoadMemory, options: MultibootOptions): BootResult {
  const { kernel, cmdline, modules, e820 } = checkMultibootOptions(options)
  const reader = new ImageReader('Multiboot 2', kernel)
  const header = parseMultiboot2Header(reader)
  const plan = new BootPlan(memory, e820)
  const entry = planKernel(plan, reader, header)
  const enter = planProtectedMode(plan)
  const placed = planModules(plan, modules)
  const info = planInfo(plan, () => buildInfo(cmdline, placed, plan.e820))
  return plan.commit(enter({ rip: BigInt(entry), rax: BOOTLOADER_MAGIC, rbx: BigInt(info) }))
}

/** Returns the entry: the header's own, else the ELF file's. */
function planKernel(plan: BootPlan, reader: ImageReader, header: ReturnType<typeof parseMultiboot2Header>): number {
  const { entry, addressFields } = header
  let ranges: { start: number; end: number }[]
  if (addressFields !== undefined) {
    if (entry === undefined) throw reader.fault('tags', header.offset, 'an address tag without an entry address tag')
    ranges = [planByAddressFields(plan, reader, { headerOffset: header.offset, fieldsOffset: addressFields })]
  } else {
    const elf = parseElf(reader.bytes)
    planSegments(plan, elf, 'kernel segment')
    if (entry === undefined) return physicalEntry(elf)
    ranges = elf.segments.map(({ paddr, memsz }) => ({ start: paddr, end: paddr + memsz }))
  }
  if (entry.value < FOUR_GIB && ranges.some(({ start, end }) => entry.value >= start && entry.value < end)) {
    return entry.value
  }
  throw reader.fault('entry_addr', entry.offset, `${hex(entry.value)} lies outside the kernel`)
}

function buildInfo(cmdline: Uint8Array, modules: readonly PlacedModule[], e820: readonly E820Entry[]): Uint8Array {
  const { lower, upper } = memorySizes(e820)
  const tags = [
    tag(INFO.cmdline, [], cmdline),
    tag(INFO.loaderName, [], LOADER_NAME),
    ...modules.map((module) => tag(INFO.module, [module.start, module.end], module.cmdline)),
    tag(INFO.memory, [lower, upper]),
    tag(INFO.memoryMap, [MAP_ENTRY_SIZE, MAP_ENTRY_VERSION], memoryMap(e820)),
    tag(INFO.end, []),
  ]
  const bytes = new Uint8Array(8 + tags.reduce((sum, { length }) => sum + length, 0))
  new DataView(bytes.buffer).setUint32(0, bytes.length, true)
  let at = 8
  for (const content of tags) {
    bytes.set(content, at)
    at += content.length
  }
  return bytes
}

/** Type, size, some words, some bytes; filled up to a multiple of 8, which the size does not count. */
function tag(type: number, words: readonly number[], tail: Uint8Array = new Uint8Array()): Uint8Array {
  const size = 8 + 4 * words.length + tail.length
  const bytes = new Uint8Array(Math.ceil(size / 8) * 8)
  const view = new DataView(bytes.buffer)
  for (const [index, word] of [type, size, ...words].entries()) view.setUint32(4 * index, word, true)
  bytes.set(tail, size - tail.length)
  return bytes
}

function memoryMap(e820: readonly E820Entry[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(e820.length * MAP_ENTRY_SIZE))
  for (const [index, { start, size, type }] of e820.entries()) {
    view.setBigUint64(index * MAP_ENTRY_SIZE, BigInt(start), true)
    view.setBigUint64(index * MAP_ENTRY_SIZE + 8, BigInt(size), true)
    view.setUint32(index * MAP_ENTRY_SIZE + 16, E820_NUMBERS[type], true)
  }
  return new Uint8Array(view.buffer)
}
