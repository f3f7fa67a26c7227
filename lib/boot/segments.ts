import type { SegmentState } from './types.js'

// Descriptor types (Intel SDM vol. 3A, tables 3-1 and 3-2). Intel's VM entry wants the accessed bit, hence these.
const CODE_READ_ACCESSED = 0b1011
const DATA_WRITE_ACCESSED = 0b0011
const LDT = 0b0010
const TSS_BUSY = 0b1011

// The selectors that Linux's 64-bit boot protocol names; the other protocols do not care.
const CODE_SELECTOR = 0x10
const DATA_SELECTOR = 0x18
const TSS_SELECTOR = 0x20

const FLAT: SegmentState = {
  base: 0n,
  limit: 0xffff_ffff,
  selector: DATA_SELECTOR,
  type: DATA_WRITE_ACCESSED,
  present: 1,
  dpl: 0,
  db: 1,
  s: 1,
  l: 0,
  g: 1,
  avl: 0,
  unusable: 0,
}

/** Flat, writable data: what every protocol wants in DS, ES, FS, GS and SS. */
export const FLAT_DATA: SegmentState = FLAT
export const FLAT_CODE_32: SegmentState = { ...FLAT, selector: CODE_SELECTOR, type: CODE_READ_ACCESSED }
export const FLAT_CODE_64: SegmentState = { ...FLAT_CODE_32, db: 0, l: 1 }

/** A task register must be usable on Intel (SDM vol. 3C, 26.3.1.2), though no protocol uses a task. */
export const TASK: SegmentState = {
  ...FLAT,
  limit: 0x67,
  selector: TSS_SELECTOR,
  type: TSS_BUSY,
  db: 0,
  s: 0,
  g: 0,
}
export const NO_LDT: SegmentState = { ...TASK, limit: 0, selector: 0, type: LDT, present: 0, unusable: 1 }

/** The 8 bytes of a descriptor (Intel SDM vol. 3A, figure 3-8). */
export function descriptor({ base, limit, type, s, dpl, present, avl, l, db, g }: SegmentState): bigint {
  const scaled = BigInt(g === 1 ? Math.floor(limit / 0x1000) : limit)
  const access = BigInt(type | (s << 4) | (dpl << 5) | (present << 7))
  const flags = BigInt(avl | (l << 1) | (db << 2) | (g << 3))
  return (
    (scaled & 0xffffn) |
    ((base & 0xff_ffffn) << 16n) |
    (access << 40n) |
    (((scaled >> 16n) & 0xfn) << 48n) |
    (flags << 52n) |
    (((base >> 24n) & 0xffn) << 56n)
  )
}

/** The table behind those selectors: the guest may load them again before it has a table of its own. */
export function buildGdt(code: SegmentState): Uint8Array {
  // The last one is the upper half of a 64-bit task descriptor.
  const entries = [0n, 0n, descriptor(code), descriptor(FLAT_DATA), descriptor(TASK), 0n]
  const table = new DataView(new ArrayBuffer(entries.length * 8))
  for (const [index, entry] of entries.entries()) table.setBigUint64(index * 8, entry, true)
  return new Uint8Array(table.buffer)
}

export const NO_IDT = { base: 0n, limit: 0 }
