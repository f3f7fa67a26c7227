import { hex } from '../../format.js'
import { checkInteger, checkOptions, invalidArgument } from '../../validate.js'
import { IO_APIC_ADDRESS } from './apic.js'

/** E820 types (ACPI 6.5, table 15.4). */
export type E820Type = 'ram' | 'reserved' | 'acpi' | 'nvs' | 'unusable'
export const E820_NUMBERS: Readonly<Record<E820Type, number>> = { ram: 1, reserved: 2, acpi: 3, nvs: 4, unusable: 5 }

/** One line of the memory map that the guest gets. */
export interface E820Entry {
  start: number
  size: number
  type: E820Type
}

/** Addresses from `start` up to, and without, `end`. */
export interface AddressRange {
  start: number
  end: number
}

export interface MemoryLayout {
  /** Where RAM is to be mapped. */
  ram: { at: number; size: number }[]
  hole: AddressRange
  e820: E820Entry[]
}

export interface MemoryLayoutOptions {
  /** Where devices, the APICs and firmware live instead of RAM, below 4 GiB. Default: 3 GiB to 4 GiB. */
  hole?: AddressRange
  /** Ranges that the guest must leave alone, in RAM or outside. */
  reserved?: readonly AddressRange[]
}

const KIB = 1024
const GIB = 1024 ** 3
const PAGE = 4 * KIB
const FOUR_GIB = 4 * GIB
/** The extended BIOS data area begins here, and with it what a PC's operating system leaves alone up to 1 MiB. */
export const EBDA_START = 0x9_fc00
/** Between the EBDA and the BIOS area's upper part lies what the reserved entry of the e820 map covers. */
export const ACPI_ADDRESS = 0xe_0000
/** The ACPI tables end where this page begins, in which a machine tells its guest things that change. */
export const SHARED_PAGE = 0xf_f000
export const HIGH_MEMORY_START = 0x10_0000
/** The least address at which the I/O APIC, the local APICs and the reset vector leave no room for RAM. */
const APIC_START = IO_APIC_ADDRESS

/** Guest physical addresses have 52 bits at most. */
const ADDRESS_END = 2 ** 52

/**
 * Puts `ramSize` bytes of RAM around the hole below 4 GiB: what does not fit below it continues at 4 GiB.
 * `ramSize` is a multiple of 4 KiB, 1 MiB at least. The hole must hold the APICs at 0xfec00000 and all above, up to 4 GiB.
 */
export function memoryLayout(ramSize: number, options: MemoryLayoutOptions = {}): MemoryLayout {
  checkInteger('ramSize', ramSize, HIGH_MEMORY_START, ADDRESS_END - FOUR_GIB)
  if (ramSize % PAGE !== 0) throw invalidArgument('ramSize', ramSize, 'a multiple of 4 KiB')
  checkOptions('options', options, ['hole', 'reserved'])
  const hole = checkRange('hole', options.hole ?? { start: 3 * GIB, end: FOUR_GIB })
  if (hole.start < HIGH_MEMORY_START || hole.start > APIC_START || hole.end !== FOUR_GIB) {
    throw invalidArgument(
      'hole',
      `${hex(hole.start)} to ${hex(hole.end)}`,
      `from an address between ${hex(HIGH_MEMORY_START)} and ${hex(APIC_START)} to ${hex(FOUR_GIB)}`,
    )
  }
  const low = Math.min(ramSize, hole.start)
  const ram = [{ at: 0, size: low }]
  if (ramSize > low) ram.push({ at: FOUR_GIB, size: ramSize - low })
  const reserved = (options.reserved ?? []).map((range, index) => checkRange(`reserved[${index}]`, range))
  return { ram, hole, e820: e820Map(ram, reserved) }
}

function checkRange(name: string, range: AddressRange): AddressRange {
  checkOptions(name, range, ['start', 'end'])
  const start = checkInteger(`${name}.start`, range.start, 0, ADDRESS_END - PAGE)
  const end = checkInteger(`${name}.end`, range.end, start + 1, ADDRESS_END)
  if (start % PAGE !== 0 || end % PAGE !== 0) throw invalidArgument(name, hex(start), 'made of whole pages of 4 KiB')
  return { start, end }
}

/**
 * The memory map of a PC with RAM in these regions: the EBDA and the BIOS area below 1 MiB are reserved, and so are
 * the `reserved` ranges. Sorted, without overlaps.
 */
export function e820Map(
  ram: readonly { readonly at: number; readonly size: number }[],
  reserved: readonly AddressRange[] = [],
): E820Entry[] {
  const taken = merge([{ start: EBDA_START, end: HIGH_MEMORY_START }, ...reserved])
  const entries: E820Entry[] = taken.map(({ start, end }) => ({ start, size: end - start, type: 'reserved' }))
  // Regions that touch are one stretch of RAM to the guest.
  for (const { start, end } of merge(ram.map(({ at, size }) => ({ start: at, end: at + size })))) {
    let next = start
    for (const hole of taken) {
      if (hole.end <= next || hole.start >= end) continue
      if (hole.start > next) entries.push({ start: next, size: hole.start - next, type: 'ram' })
      next = hole.end
    }
    if (next < end) entries.push({ start: next, size: end - next, type: 'ram' })
  }
  return entries.sort((a, b) => a.start - b.start)
}

/** Sorted, and joined where they touch or overlap. */
function merge(ranges: readonly AddressRange[]): AddressRange[] {
  const merged: AddressRange[] = []
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1)
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end)
    else merged.push({ start, end })
  }
  return merged
}
