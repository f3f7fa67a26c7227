import type { Device } from './device.js'

/** Something that a device offered to the vCPU threads, and can take back. */
export interface FastPath {
  /** From now on these accesses reach the device as ordinary reads and writes. */
  close(): void
}

/** A register whose reads are answered without the device. */
export interface LatchedRegister extends FastPath {
  /** What the guest reads. The device keeps it current. */
  value: bigint
}

/** A data register whose reads are answered without the device, by the index that was written last. */
export interface IndexedRegister extends FastPath {
  /**
   * The index that the guest wrote last, as it wrote it, also one that has not arrived yet as `chosen()`. Undefined when none
   * was posted since the last {@link clear}.
   */
  readonly chosen: number | undefined
  /**
   * What the guest reads while that index is chosen, until that time on the host's monotonic clock, in nanoseconds; without
   * it the value does not expire. A read for which there is no value reaches the device.
   */
  set(index: number, value: number, until?: bigint): void
  /** Forgets all values, and which index is chosen: before a value changes, and when somebody else wrote the index. */
  clear(): void
}

/** A register that counts by itself, on the host's monotonic clock. */
export interface CounterRegister extends FastPath {
  /** Reads as `value` at `epoch` and before, and counts on from there. */
  set(value: bigint, epoch: bigint): void
}

/** How it counts: the lowest `bits` bits of `value + floor((now - epoch) * frequency / 1e9)`. */
export interface CounterStart {
  /** Counts a second, at most 1e10. */
  frequency: number
  bits: number
  value: bigint
  /** In nanoseconds. */
  epoch: bigint
}

/**
 * How a device offers registers to the vCPU threads, which then need not wait for JavaScript. Offsets are the device's own.
 * `vm.postWrites()`, `vm.latchRead()`, `vm.latchCounter()` and `vm.latchIndexed()` are behind it in a machine; a device works
 * the same without.
 */
export interface FastPaths {
  /**
   * Writes there arrive as ordinary `write()` calls a little later, in the order that the vCPU made them. `lazy` ones are no
   * reason to wake JavaScript: they arrive before the next access that does, whenever that is.
   */
  postWrites(offset: number, length: number, options?: { lazy?: boolean }): FastPath
  /** Reads of these 1 to 8 bytes, or of a part of them, return the latched value, and `read()` is not called. */
  latchRead(offset: number, width: number, initial: bigint): LatchedRegister
  /** Reads there, or of a part of it, return what a counter of that width stands at. */
  latchCounter(offset: number, width: number, start: CounterStart): CounterRegister
  /**
   * An index and a data register, a byte each. The index is `index & mask`, at most 0x7f. A write of the index there
   * arrives later as `chosen()`, in order with posted writes, as a lazy one; one that comes otherwise is a `write()`.
   */
  latchIndexed(registers: IndexedOffsets, chosen: (index: number) => void): IndexedRegister
}

/** Where an index and a data register are, and which bits of the index choose. */
export interface IndexedOffsets {
  index: number
  data: number
  mask: number
}

/** A device with registers that suit posted writes or latched reads. */
export interface FastDevice extends Device {
  /** Offers its registers. Called again, it closes what it offered before and offers to the new paths. */
  attachFastPaths(paths: FastPaths): void
  /** Closes whatever it has offered. */
  detachFastPaths(): void
}

/** Whether a device has registers for fast paths. */
export function isFastDevice(device: Device): device is FastDevice {
  const { attachFastPaths, detachFastPaths } = device as Partial<FastDevice>
  return typeof attachFastPaths === 'function' && typeof detachFastPaths === 'function'
}
