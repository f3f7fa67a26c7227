import { hex } from '../../format.js'
import { BootPlan } from '../boot-plan.js'
import { findMultiboot1Header } from '../detect-format.js'
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

// Multiboot Specification 0.6.96, 3.1: the header.
const FLAGS = 4
const ADDRESS_FIELDS = 12
const ENTRY_ADDR = 28
// Bits 0 to 15 are demands: a loader that does not know one must refuse. The video mode is no demand: its fields "specify the
// preferred graphics mode" (3.1.4), and the information says that there is none.
const PAGE_ALIGN_MODULES = 1 << 0
const MEMORY_INFO = 1 << 1
const VIDEO_MODE = 1 << 2
const HAS_ADDRESS_FIELDS = 1 << 16
const DEMANDS = 0xffff

// 3.2 and 3.3: what the kernel finds in EAX and at EBX.
const BOOTLOADER_MAGIC = 0x2bad_b002n
const INFO_SIZE = 120
const INFO_MEMORY = 1 << 0
const INFO_CMDLINE = 1 << 2
const INFO_MODULES = 1 << 3
const INFO_MEMORY_MAP = 1 << 6
const INFO_LOADER_NAME = 1 << 9
const MODULE_SIZE = 16
/** The size field of an entry does not count itself. */
const MAP_ENTRY_SIZE = 24

/** Loads a Multiboot kernel, ELF or with address fields. Throws `ERR_KVM_BOOT_IMAGE` before it writes anything. */
export function loadMultiboot(memory: LoadMemory, options: MultibootOptions): BootResult {
  const { kernel, cmdline, modules, e820 } = checkMultibootOptions(options)
  const reader = new ImageReader('Multiboot', kernel)
  const header = findMultiboot1Header(new DataView(kernel.buffer, kernel.byteOffset, kernel.byteLength))
  if (header === undefined) throw reader.fault('magic', 0, 'no header with a right checksum in the first 8192 bytes')
  const flags = reader.uint32('flags', header + FLAGS)
  const unknown = flags & DEMANDS & ~(PAGE_ALIGN_MODULES | MEMORY_INFO | VIDEO_MODE)
  if (unknown !== 0) throw reader.fault('flags', header + FLAGS, `it wants unknown features, ${hex(unknown)}`)

  const plan = new BootPlan(memory, e820)
  let entry: number
  if ((flags & HAS_ADDRESS_FIELDS) === 0) {
    const elf = parseElf(kernel)
    planSegments(plan, elf, 'kernel segment')
    entry = physicalEntry(elf)
  } else {
    const range = planByAddressFields(plan, reader, { headerOffset: header, fieldsOffset: header + ADDRESS_FIELDS })
    entry = reader.uint32('entry_addr', header + ENTRY_ADDR)
    if (entry < range.start || entry >= range.end) {
      throw reader.fault('entry_addr', header + ENTRY_ADDR, `${hex(entry)} lies outside the kernel`)
    }
  }
  const enter = planProtectedMode(plan)
  const placed = planModules(plan, modules)
  const info = planInfo(plan, (address) => buildInfo(address, cmdline, placed, plan.e820))
  return plan.commit(enter({ rip: BigInt(entry), rax: BOOTLOADER_MAGIC, rbx: BigInt(info) }))
}

/** The structure, then the module list, the memory map, and the strings. */
function buildInfo(
  address: number,
  cmdline: Uint8Array,
  modules: readonly PlacedModule[],
  e820: readonly E820Entry[],
): Uint8Array {
  const modulesAt = INFO_SIZE
  const mapAt = modulesAt + modules.length * MODULE_SIZE
  const stringsAt = mapAt + e820.length * MAP_ENTRY_SIZE
  const strings = [LOADER_NAME, cmdline, ...modules.map((module) => module.cmdline)]
  const bytes = new Uint8Array(stringsAt + strings.reduce((sum, { length }) => sum + length, 0))
  const view = new DataView(bytes.buffer)
  const word = (offset: number, value: number) => view.setUint32(offset, value, true)
  let next = stringsAt
  const addString = (string: Uint8Array): number => {
    bytes.set(string, next)
    next += string.length
    return address + next - string.length
  }

  const { lower, upper } = memorySizes(e820)
  word(0, INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MEMORY_MAP | INFO_LOADER_NAME)
  word(4, lower)
  word(8, upper)
  word(64, addString(LOADER_NAME))
  word(16, addString(cmdline))
  word(20, modules.length)
  word(24, address + modulesAt)
  word(44, e820.length * MAP_ENTRY_SIZE)
  word(48, address + mapAt)
  for (const [index, { start, end, cmdline: string }] of modules.entries()) {
    const at = modulesAt + index * MODULE_SIZE
    word(at, start)
    word(at + 4, end)
    word(at + 8, addString(string))
  }
  for (const [index, { start, size, type }] of e820.entries()) {
    const at = mapAt + index * MAP_ENTRY_SIZE
    word(at, MAP_ENTRY_SIZE - 4)
    view.setBigUint64(at + 4, BigInt(start), true)
    view.setBigUint64(at + 12, BigInt(size), true)
    word(at + 20, E820_NUMBERS[type])
  }
  return bytes
}
