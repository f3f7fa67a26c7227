import { checkBytes, checkInteger, checkOneOf, checkOptions, checkUint64, invalidArgument } from '../../validate.js'
import type { SegmentState } from './registers.js'

// Descriptor types (Intel SDM vol. 3A, tables 3-1 and 3-2). Intel's VM entry wants the accessed bit, hence these.
const CODE_READ_ACCESSED = 0b1011
const DATA_WRITE_ACCESSED = 0b0011
export const LDT = 0b0010
export const TSS_BUSY = 0b1011

const PAGE = 0x1000
const DESCRIPTOR = 8
const LONG_DESCRIPTOR = 16

const BITS = ['present', 'db', 's', 'l', 'g', 'avl', 'unusable'] as const
const MEMBERS = ['base', 'limit', 'selector', 'type', 'dpl', ...BITS] as const

const KINDS = ['code16', 'code32', 'code64', 'data'] as const

/**
 * A segment from 0 to 4 GiB: readable code of that size, or writable data; present, accessed, of privilege level 0. `selector` is what the
 * register holds. `code16` has a limit of 64 KiB, as in real mode.
 */
export function flatSegment(kind: (typeof KINDS)[number], selector: number): SegmentState {
  checkOneOf('kind', kind, KINDS)
  return {
    base: 0n,
    limit: kind === 'code16' ? 0xffff : 0xffff_ffff,
    selector: checkInteger('selector', selector, 0, 0xffff),
    type: kind === 'data' ? DATA_WRITE_ACCESSED : CODE_READ_ACCESSED,
    present: 1,
    dpl: 0,
    db: kind === 'code32' || kind === 'data' ? 1 : 0,
    s: 1,
    l: kind === 'code64' ? 1 : 0,
    g: kind === 'code16' ? 0 : 1,
    avl: 0,
    unusable: 0,
  }
}

/**
 * The descriptor of a segment, as a table in the guest's memory has it (Intel SDM vol. 3A, figures 3-8 and 7-4): 8 bytes; 16 for a system
 * segment (a TSS or an LDT) whose base lies beyond 4 GiB, or where `long` says so: long mode has them so. Throws `ERR_KVM_INVALID_ARGUMENT` for a
 * segment that no descriptor can have.
 */
export function encodeDescriptor(segment: SegmentState, options: { long?: boolean } = {}): Uint8Array {
  const { base, limit, type, s, dpl, present, avl, l, db, g } = checkSegment(segment)
  const { long = base > 0xffff_ffffn } = checkOptions('options', options, ['long'])
  if (long === true && s === 1) throw invalidArgument('segment.base', base, 'below 4 GiB for code and data')
  if (long !== true && base > 0xffff_ffffn) throw invalidArgument('segment.base', base, 'below 4 GiB')
  const scaled = BigInt(g === 1 ? Math.floor(limit / PAGE) : limit)
  const access = BigInt(type | (s << 4) | (dpl << 5) | (present << 7))
  const flags = BigInt(avl | (l << 1) | (db << 2) | (g << 3))
  const low =
    (scaled & 0xffffn) |
    ((base & 0xff_ffffn) << 16n) |
    (access << 40n) |
    ((scaled >> 16n) << 48n) |
    (flags << 52n) |
    (((base >> 24n) & 0xffn) << 56n)
  const data = new DataView(new ArrayBuffer(long === true ? LONG_DESCRIPTOR : DESCRIPTOR))
  data.setBigUint64(0, low, true)
  if (long === true) data.setBigUint64(DESCRIPTOR, base >> 32n, true)
  return new Uint8Array(data.buffer)
}

function checkSegment(segment: SegmentState): SegmentState {
  const given = checkOptions('segment', segment, MEMBERS)
  const whole = (name: string, most: number) => checkInteger(`segment.${name}`, given[name], 0, most)
  checkUint64('segment.base', given['base'])
  for (const name of BITS) whole(name, 1)
  whole('type', 15)
  whole('dpl', 3)
  whole('selector', 0xffff)
  const limit = whole('limit', 0xffff_ffff)
  if (segment.g === 0) whole('limit', 0xf_ffff)
  else if (limit % PAGE !== PAGE - 1)
    throw invalidArgument('segment.limit', limit, 'the last byte of a page where g is 1')
  return segment
}

/** What loading a selector with this descriptor puts into the register: of 8 bytes, or of the 16 of a system segment in long mode. */
export function decodeDescriptor(bytes: Uint8Array, selector = 0): SegmentState {
  const { length } = checkBytes('bytes', bytes)
  if (length !== DESCRIPTOR && length !== LONG_DESCRIPTOR) throw invalidArgument('bytes.length', length, '8 or 16')
  const data = new DataView(bytes.buffer, bytes.byteOffset, length)
  const low = data.getBigUint64(0, true)
  const field = (at: number, width: number) => Number((low >> BigInt(at)) & ((1n << BigInt(width)) - 1n))
  const high = length === LONG_DESCRIPTOR ? data.getBigUint64(DESCRIPTOR, true) & 0xffff_ffffn : 0n
  const g = field(55, 1)
  const limit = field(0, 16) + field(48, 4) * 0x1_0000
  const present = field(47, 1)
  return {
    base: (high << 32n) | BigInt(field(16, 24) + field(56, 8) * 0x100_0000),
    limit: g === 1 ? limit * PAGE + PAGE - 1 : limit,
    selector: checkInteger('selector', selector, 0, 0xffff),
    type: field(40, 4),
    present,
    dpl: field(45, 2),
    db: field(54, 1),
    s: field(44, 1),
    l: field(53, 1),
    g,
    avl: field(52, 1),
    unusable: 1 - present,
  }
}
