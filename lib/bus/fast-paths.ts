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

/**
 * How a device offers registers to the vCPU threads, which then need not wait for JavaScript. Offsets are the device's own.
 * `vm.postWrites()` and `vm.latchRead()` are behind it in a machine; a device works the same without.
 */
export interface FastPaths {
  /** Writes there arrive as ordinary `write()` calls a little later, in the order that the vCPU made them. */
  postWrites(offset: number, length: number): FastPath
  /** Reads of exactly this width there return the latched value, and `read()` is not called. */
  latchRead(offset: number, width: number, initial: bigint): LatchedRegister
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
