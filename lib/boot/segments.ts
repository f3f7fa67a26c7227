import type { SegmentState } from '../arch/x86/registers.js'
import { encodeDescriptor, flatSegment, LDT, TSS_BUSY } from '../arch/x86/segments.js'

// The selectors that Linux's 64-bit boot protocol names; the other protocols do not care.
const CODE_SELECTOR = 0x10
const DATA_SELECTOR = 0x18
const TSS_SELECTOR = 0x20

/** Flat, writable data: what every protocol wants in DS, ES, FS, GS and SS. */
export const FLAT_DATA: SegmentState = flatSegment('data', DATA_SELECTOR)
export const FLAT_CODE_32: SegmentState = flatSegment('code32', CODE_SELECTOR)
export const FLAT_CODE_64: SegmentState = flatSegment('code64', CODE_SELECTOR)

/** A task register must be usable on Intel (SDM vol. 3C, 26.3.1.2), though no protocol uses a task. */
export const TASK: SegmentState = {
  ...FLAT_DATA,
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
  const descriptors = [
    [CODE_SELECTOR, encodeDescriptor(code)],
    [DATA_SELECTOR, encodeDescriptor(FLAT_DATA)],
    [TSS_SELECTOR, encodeDescriptor(TASK, { long: true })],
  ] as const
  const table = new Uint8Array(TSS_SELECTOR + 16)
  for (const [selector, descriptor] of descriptors) table.set(descriptor, selector)
  return table
}

export const NO_IDT = { base: 0n, limit: 0 }
