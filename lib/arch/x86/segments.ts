import type { SegmentState } from './registers.js'

// Descriptor types (Intel SDM vol. 3A, tables 3-1 and 3-2). Intel's VM entry wants the accessed bit, hence these.
export const CODE_READ_ACCESSED = 0b1011
export const DATA_WRITE_ACCESSED = 0b0011
export const LDT = 0b0010
export const TSS_BUSY = 0b1011

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
