import type { SegmentState } from '../arch/x86/registers.js'
import { CODE_READ_ACCESSED, DATA_WRITE_ACCESSED, descriptor, LDT, TSS_BUSY } from '../arch/x86/segments.js'

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

/** The table behind those selectors: the guest may load them again before it has a table of its own. */
export function buildGdt(code: SegmentState): Uint8Array {
  // The last one is the upper half of a 64-bit task descriptor.
  const entries = [0n, 0n, descriptor(code), descriptor(FLAT_DATA), descriptor(TASK), 0n]
  const table = new DataView(new ArrayBuffer(entries.length * 8))
  for (const [index, entry] of entries.entries()) table.setBigUint64(index * 8, entry, true)
  return new Uint8Array(table.buffer)
}

export const NO_IDT = { base: 0n, limit: 0 }
