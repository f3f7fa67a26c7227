import { invalidArgument } from '../validate.js'
import type { Fd } from './fd.js'
import type { Patch, Struct } from './struct.js'

// kvm_cpuid2, kvm_msrs and their kin: a count, padding, then that many entries.
const E2BIG = 7
const UNTOUCHED = 0xff
// More than the kernel takes of anything.
const MOST_ENTRIES = 2 ** 16

/** How a counted list lies in memory. */
export interface ListShape {
  /** Bytes before the first entry; the 32-bit count is the first of them. */
  header: number
  entrySize: number
  /**
   * For a call that may leave the count as it was, and may be given any bytes: what it has written is counted. None of its
   * entries may consist of 0xff alone.
   */
  countWritten?: boolean
}

/** A list that the kernel fills. It is offered `capacity` entries, and more when it says that it has more. */
export function readList(fd: Fd, ioctl: string, shape: ListShape, capacity: number): { data: DataView; count: number } {
  for (let room = capacity; ;) {
    const data = new DataView(new ArrayBuffer(shape.header + room * shape.entrySize))
    const bytes = new Uint8Array(data.buffer)
    if (shape.countWritten) bytes.fill(UNTOUCHED, shape.header)
    data.setUint32(0, room, true)
    const result = fd.tryIoctl(ioctl, bytes)
    let count = data.getUint32(0, true)
    if (result >= 0) {
      const entry = (index: number) =>
        bytes.subarray(shape.header + index * shape.entrySize).subarray(0, shape.entrySize)
      const isUntouched = (index: number) => entry(index).every((byte) => byte === UNTOUCHED)
      while (shape.countWritten && count > 0 && isUntouched(count - 1)) count--
      return { data, count }
    }
    if (result !== -E2BIG || room >= 4096) throw fd.refusal(ioctl, -result, { entries: room })
    // Some of these calls report how many there are, others only that the room was too small.
    room = count > room ? count : Math.max(16, room * 2)
  }
}

/** A list that goes to the kernel. */
export function listBytes<T extends object>(
  shape: ListShape,
  struct: Struct<T>,
  entries: readonly Patch<T>[],
): Uint8Array {
  const { length } = entries
  if (length > MOST_ENTRIES) throw invalidArgument('entries', length, `at most ${MOST_ENTRIES}`)
  const data = new DataView(new ArrayBuffer(shape.header + length * shape.entrySize))
  data.setUint32(0, length, true)
  // Not forEach: a hole is a missing value.
  for (let index = 0; index < length; index++) {
    struct.encode(entries[index] as Patch<T>, data, shape.header + index * shape.entrySize)
  }
  return new Uint8Array(data.buffer)
}
