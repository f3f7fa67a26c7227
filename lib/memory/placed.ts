import { KvmError } from '../errors.js'
import { hex } from '../format.js'
import type { DeviceMemory } from './device-memory.js'

/** A stretch of guest memory that somebody has filled before the guest starts: a loader, or a writer of tables. */
export interface Placed {
  name: string
  start: number
  size: number
}

/**
 * Writes where a user, and no guest, has chosen: that there is no memory to write to is a mistake then, and throws
 * `ERR_KVM_OUTSIDE_MEMORY`. `name` is what the bytes are; behind them come zeros, up to `size`.
 */
export function place(memory: DeviceMemory, name: string, at: number, bytes: Uint8Array, size = bytes.length): void {
  if (memory.write(at, bytes) && memory.fill(at + bytes.length, size - bytes.length, 0)) return
  throw new KvmError(
    'ERR_KVM_OUTSIDE_MEMORY',
    `${name}: ${size} bytes at ${hex(at)} lie outside of memory that can be written; give the VM RAM there`,
    { operands: { name, address: at, length: size } },
  )
}
