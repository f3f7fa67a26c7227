import type { Device } from '../bus/device.js'
import { inOrder } from '../bus/in-order.js'
import { CONFIG_LENGTH } from './registers.js'

type Touched = (offset: number, length: number) => void | Promise<void>

/** Told of what a guest does to some bytes. */
export interface ConfigWatch {
  offset: number
  length: number
  /** A guest is about to read; offsets are the watched bytes'. */
  reading?: Touched
  /** A guest has written. */
  written?: Touched
}

/**
 * The 256 bytes of a function's configuration space: which bits a guest can write, and which it clears by writing ones. What lies
 * beyond, as far as ECAM reaches, is empty.
 */
export class ConfigSpace implements Pick<Device, 'read' | 'write'> {
  readonly bytes = new Uint8Array(CONFIG_LENGTH)
  readonly writable = new Uint8Array(CONFIG_LENGTH)
  readonly clearable = new Uint8Array(CONFIG_LENGTH)
  readonly #view = new DataView(this.bytes.buffer)
  readonly #watches: ConfigWatch[] = []

  watch(watch: ConfigWatch): void {
    this.#watches.push(watch)
  }

  get16(offset: number): number {
    return this.#view.getUint16(offset, true)
  }

  get32(offset: number): number {
    return this.#view.getUint32(offset, true)
  }

  /** Sets a register of `width` bytes, whatever a guest may write. */
  set(offset: number, width: 1 | 2 | 3 | 4, value: number): void {
    for (let byte = 0; byte < width; byte++) this.bytes[offset + byte] = value >>> (8 * byte)
  }

  /** The bits of it that a guest can write. */
  allow(offset: number, width: 1 | 2 | 4, mask: number): void {
    for (let byte = 0; byte < width; byte++) this.writable[offset + byte] = mask >>> (8 * byte)
  }

  /** Whether a guest can have made `other` of what is here. `free`: bits of a byte that the function itself changes. */
  isReachable(other: ArrayLike<number>, free: (offset: number) => number): boolean {
    return this.bytes.every((byte, offset) => {
      const mask = (this.writable[offset] ?? 0) | (this.clearable[offset] ?? 0) | free(offset)
      return ((byte ^ (other[offset] ?? 0)) & ~mask) === 0
    })
  }

  read(offset: number, data: Uint8Array): void | Promise<void> {
    return inOrder(this.#told(offset, data.length, 'reading'), () => {
      for (let index = 0; index < data.length; index++) data[index] = this.bytes[offset + index] ?? 0
    })
  }

  write(offset: number, data: Uint8Array): void | Promise<void> {
    const end = Math.min(offset + data.length, CONFIG_LENGTH)
    for (let at = offset; at < end; at++) {
      const [old, value, writable] = [this.bytes[at] ?? 0, data[at - offset] ?? 0, this.writable[at] ?? 0]
      this.bytes[at] = ((old & ~writable) | (value & writable)) & ~(value & (this.clearable[at] ?? 0))
    }
    return inOrder(this.#told(offset, data.length, 'written'))
  }

  /** What is to be called for an access, in the order of the watches. */
  #told(offset: number, length: number, what: 'reading' | 'written'): (() => void | Promise<void>)[] {
    const calls: (() => void | Promise<void>)[] = []
    for (const watch of this.#watches) {
      const call = watch[what]
      const from = Math.max(offset, watch.offset)
      const to = Math.min(offset + length, watch.offset + watch.length)
      if (call !== undefined && from < to) calls.push(() => call(from - watch.offset, to - from))
    }
    return calls
  }
}
