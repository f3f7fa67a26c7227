import { hex } from '../format.js'
import { imageError } from './image-error.js'
import type { KvmError } from '../errors.js'

/** Little-endian fields of an image, each by its name; what would lie past the end is refused. */
export class ImageReader {
  readonly #view: DataView

  constructor(
    /** For messages: `bzImage`, `ELF`. */
    readonly image: string,
    readonly bytes: Uint8Array,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get length(): number {
    return this.bytes.length
  }

  uint8(field: string, offset: number): number {
    this.#check(field, offset, 1)
    return this.#view.getUint8(offset)
  }

  uint16(field: string, offset: number): number {
    this.#check(field, offset, 2)
    return this.#view.getUint16(offset, true)
  }

  uint32(field: string, offset: number): number {
    this.#check(field, offset, 4)
    return this.#view.getUint32(offset, true)
  }

  /** A 64-bit field that may be anything, such as a virtual address. */
  bigUint64(field: string, offset: number): bigint {
    this.#check(field, offset, 8)
    return this.#view.getBigUint64(offset, true)
  }

  /** A 64-bit field as a number: addresses and sizes past 2^53 are never legal here, and so are refused. */
  uint64(field: string, offset: number): number {
    const value = this.bigUint64(field, offset)
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw this.fault(field, offset, `${hex(value)} is past 2^53`, { value })
    return Number(value)
  }

  /** A field of the width that the class of an ELF file has, as a number. */
  word(bits: 32 | 64, field: string, offset: number): number {
    return bits === 64 ? this.uint64(field, offset) : this.uint32(field, offset)
  }

  /** The same when it may be anything. */
  bigWord(bits: 32 | 64, field: string, offset: number): bigint {
    return bits === 64 ? this.bigUint64(field, offset) : BigInt(this.uint32(field, offset))
  }

  /** A live part of the image. `offset` and `length` come from the image itself, so neither is trusted. */
  slice(field: string, offset: number, length: number): Uint8Array {
    this.#check(field, offset, length)
    return this.bytes.subarray(offset, offset + length)
  }

  fault(field: string, offset: number, problem: string, operands: Record<string, unknown> = {}): KvmError {
    return imageError({ image: this.image, field, offset }, problem, operands)
  }

  #check(field: string, offset: number, length: number): void {
    const end = offset + length // both below 2^53, so a sum that is no longer exact is still past the end
    if (end <= this.length) return
    throw this.fault(field, offset, `the image ends at ${hex(this.length)}, and this would end at ${hex(end)}`, {
      length: this.length,
      end,
    })
  }
}
