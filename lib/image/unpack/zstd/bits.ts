import { imageError } from '../../image-error.js'

/** Something in the payload that no packer writes. */
export const corrupt = (field: string, problem: string) => imageError({ image: 'zstd payload', field }, problem)

/** Bytes that can be read a few past their end, as zeros: what reads bits takes 32 at a time. */
export interface Padded {
  view: DataView
  /** Where the bytes end. */
  length: number
}

export function pad(bytes: Uint8Array): Padded {
  const copy = new Uint8Array(bytes.length + 4)
  copy.set(bytes)
  return { view: new DataView(copy.buffer), length: bytes.length }
}

export const lastBit = (value: number) => 31 - Math.clz32(value)

/** Up to 25 bits from a bit's position on, lowest first. */
export function bitsAt({ view }: Padded, position: number, count: number): number {
  return (view.getUint32(position >>> 3, true) >>> (position & 7)) & ((1 << count) - 1)
}

/**
 * A bit stream that is read from its end to its beginning (RFC 8878, 4.1 and 4.2). The highest bit of its last byte that is
 * set marks the end.
 */
export class BackwardBits {
  readonly #bytes: Padded
  readonly #start: number
  /** Bits that are not read yet. Below 0 when more was read than there is: what lies before the beginning is zero. */
  left: number

  constructor(bytes: Padded, start: number, end: number) {
    const last = end > start && end <= bytes.length ? bytes.view.getUint8(end - 1) : 0
    if (last === 0) throw corrupt('bit stream', 'it has no end')
    this.#bytes = bytes
    this.#start = start * 8
    this.left = (end - start - 1) * 8 + lastBit(last)
  }

  /** Up to 25 bits. */
  read(count: number): number {
    const value = this.peek(count)
    this.left -= count
    return value
  }

  peek(count: number): number {
    const from = this.left - count
    if (from >= 0) return bitsAt(this.#bytes, this.#start + from, count)
    return this.left <= 0 ? 0 : bitsAt(this.#bytes, this.#start, this.left) << -from
  }
}
