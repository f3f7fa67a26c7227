import { checkBoolean, checkInteger, checkList, checkOneOf, checkOptions, invalidArgument } from '../../validate.js'
import type { Fd } from '../fd.js'
import {
  kvm_msr_filter,
  KVM_MSR_FILTER_DEFAULT_ALLOW,
  KVM_MSR_FILTER_DEFAULT_DENY,
  KVM_MSR_FILTER_MAX_BITMAP_SIZE,
  KVM_MSR_FILTER_MAX_RANGES,
  KVM_MSR_FILTER_READ,
  KVM_MSR_FILTER_WRITE,
} from '../generated/x86.js'

/** MSRs in a row, and what guests may do to them. */
export interface MsrFilterRange {
  /** The first. */
  base: number
  /** How many, at most 12,288. */
  count: number
  /** Whether the range says what may be read; true unless given. */
  reads?: boolean
  /** Whether the range says what may be written; true unless given. */
  writes?: boolean
  /** Those of the range that guests may access. The others are denied. */
  allow: 'all' | 'none' | readonly number[]
}

/** Which MSRs guests may access, vm.x86SetMsrFilter(). */
export interface MsrFilter {
  /** What holds for an MSR of none of the ranges; `allow` unless given. */
  otherwise?: 'allow' | 'deny'
  /** At most 16. */
  ranges: readonly MsrFilterRange[]
}

const MOST_MSRS = KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8

export function setMsrFilter(fd: Fd, filter: MsrFilter): void {
  const { otherwise, ranges } = checkOptions('filter', filter, ['otherwise', 'ranges'])
  if (!Array.isArray(ranges) || ranges.length > KVM_MSR_FILTER_MAX_RANGES) {
    throw invalidArgument('ranges', ranges, `a list of at most ${KVM_MSR_FILTER_MAX_RANGES} ranges`)
  }
  const denies = checkOneOf('otherwise', otherwise ?? 'allow', ['allow', 'deny']) === 'deny'
  const checked = ranges.map((range: unknown, index) => checkRange(`ranges[${index}]`, range))
  const unused = Array.from({ length: KVM_MSR_FILTER_MAX_RANGES - checked.length }, () => ({}))
  const bytes = kvm_msr_filter.bytes({
    flags: denies ? KVM_MSR_FILTER_DEFAULT_DENY : KVM_MSR_FILTER_DEFAULT_ALLOW,
    ranges: [...checked.map(({ range }) => range), ...unused],
  })
  fd.ioctl('KVM_X86_SET_MSR_FILTER', bytes, { ...filter }, ...checked.map(({ bitmap }) => bitmap))
}

function checkRange(name: string, value: unknown) {
  const { base, count, reads, writes, allow } = checkOptions(name, value, ['base', 'count', 'reads', 'writes', 'allow'])
  const first = checkInteger(`${name}.base`, base, 0, 0xffff_ffff)
  const nmsrs = checkInteger(`${name}.count`, count, 1, MOST_MSRS)
  let flags = 0
  if (checkBoolean(`${name}.reads`, reads ?? true)) flags |= KVM_MSR_FILTER_READ
  if (checkBoolean(`${name}.writes`, writes ?? true)) flags |= KVM_MSR_FILTER_WRITE
  return { range: { flags, nmsrs, base: first }, bitmap: bitmapOf(`${name}.allow`, allow, first, nmsrs) }
}

/** A bit for each MSR that may be accessed. The kernel reads whole 64-bit words. */
function bitmapOf(name: string, allow: unknown, base: number, count: number): Uint8Array {
  const bitmap = new Uint8Array(Math.ceil(count / 64) * 8)
  if (allow === 'all') return bitmap.fill(0xff)
  if (allow === 'none') return bitmap
  for (const index of checkList(name, allow as Iterable<unknown>, 'MSRs of the range')) {
    const bit = checkInteger(name, index, base, base + count - 1) - base
    bitmap[bit >> 3] = (bitmap[bit >> 3] ?? 0) | (1 << (bit & 7))
  }
  return bitmap
}
