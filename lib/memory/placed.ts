import { KvmError } from '../errors.js'
import { hex } from '../format.js'
import type { MemoryRange } from './device-memory.js'

/** A stretch of guest memory that somebody has filled before the guest starts: a loader, or a writer of tables. */
export interface Placed {
  name: string
  start: number
  size: number
}

/**
 * Guest memory as loaders and writers of tables need it; `vm.memory` and `vm.memory.dma` have it. Where there is none to write to,
 * it throws, or says false.
 */
export interface LoadMemory {
  readonly regions: readonly MemoryRange[]
  write(address: number, bytes: Uint8Array): unknown
  fill(address: number, length: number, value: number): unknown
}

/**
 * Writes where a user, and no guest, has chosen: that there is no memory to write to is a mistake then, and throws
 * `ERR_KVM_OUTSIDE_MEMORY`. `name` is what the bytes are; behind them come zeros, up to `size`.
 */
export function place(memory: LoadMemory, name: string, at: number, bytes: Uint8Array, size = bytes.length): void {
  const written = memory.write(at, bytes) !== false
  const behind = at + bytes.length
  if (written && (size <= bytes.length || memory.fill(behind, size - bytes.length, 0) !== false)) return
  throw new KvmError(
    'ERR_KVM_OUTSIDE_MEMORY',
    `${name}: ${size} bytes at ${hex(at)} lie outside of memory that can be written; give the VM RAM there`,
    { operands: { name, address: at, length: size } },
  )
}
