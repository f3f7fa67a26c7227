import { type BinaryStats, parseStats } from './binary-stats.js'
import type { NativeStatsFd } from './binding.js'
import { type Fd, systemFailure } from './fd.js'

const PIECE = 16_384

/** What KVM counts, of a VM or a vCPU (KVM API, KVM_GET_STATS_FD). */
export class StatsFd {
  readonly #fd: Fd<NativeStatsFd>

  /** @internal */
  constructor(fd: Fd<NativeStatsFd>) {
    this.#fd = fd
  }

  get closed(): boolean {
    return this.#fd.closed
  }

  /** What the kernel says at the moment, decoded. Its names and meanings are the kernel's own, and change with it. */
  read(): BinaryStats {
    return parseStats(this.bytes())
  }

  /** The same as the kernel gives it: a header, descriptors, values. */
  bytes(): Uint8Array {
    let bytes = new Uint8Array(0)
    for (;;) {
      const more = new Uint8Array(bytes.length + PIECE)
      more.set(bytes)
      const count = this.#fd.native.read(bytes.length, more.subarray(bytes.length))
      if (count < 0) throw systemFailure('the statistics cannot be read', { errno: -count, syscall: 'pread' })
      if (count === 0) return bytes
      bytes = more.slice(0, bytes.length + count)
    }
  }

  /** Closing again does nothing. */
  close(): void {
    this.#fd.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

export function openStatsFd(fd: Fd): StatsFd {
  return new StatsFd(fd.createPart('KVM_GET_STATS_FD', undefined, 'the statistics'))
}
