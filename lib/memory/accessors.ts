import { KvmError } from '../errors.js'
import { hex } from '../format.js'
import { checkBytes, checkInteger, invalidArgument } from '../validate.js'

/** The end of what a guest physical address can reach: x86 and arm64 have at most 52 bits. */
export const PHYSICAL_ADDRESS_END = 2 ** 52

/** The largest copy or view: the longest typed array of every supported Node version. */
const MAX_LENGTH = 2 ** 32

/** A stretch of host memory that JavaScript sees through one ArrayBuffer. */
export interface Window {
  readonly bytes: Uint8Array
  readonly data: DataView
}

/** A region as the accessors below need it. Offsets count from the region's first byte. */
export interface Backed {
  readonly at: number
  readonly size: number
  /** The window that holds `offset`, and where it begins. */
  window(offset: number): Window
  windowStart(offset: number): number
  /** A live view of any part. */
  contiguous(offset: number, length: number): Uint8Array
}

function checkAddress(address: unknown): number {
  return checkInteger('address', address, 0, PHYSICAL_ADDRESS_END - 1)
}

/**
 * Reading and writing by guest physical address. Multi-byte accesses are little-endian and need no alignment.
 * An address without memory behind it throws `ERR_KVM_OUTSIDE_MEMORY`; nothing is written then.
 */
export abstract class MemoryAccessors {
  /** The region that holds the address. */
  protected abstract find(address: number): Backed | undefined
  /** The region closest to an address, for messages. */
  protected abstract nearest(address: number): { at: number; size: number } | undefined

  /** Copies `length` bytes out. May cross from one region into an adjacent one. */
  read(address: number, length: number): Uint8Array {
    this.#check(checkAddress(address), checkInteger('length', length, 0, MAX_LENGTH))
    const copy = new Uint8Array(length)
    this.#walk(address, length, (bytes, done) => {
      copy.set(bytes, done)
    })
    return copy
  }

  /** Copies `bytes` in. May cross from one region into an adjacent one. */
  write(address: number, bytes: Uint8Array): void {
    checkBytes('bytes', bytes)
    const { length } = bytes
    this.#check(checkAddress(address), length)
    this.#walk(address, length, (target, done) => {
      target.set(bytes.subarray(done, done + target.length))
    })
  }

  /** Sets `length` bytes to `value` (0 to 255). */
  fill(address: number, length: number, value: number): void {
    checkInteger('value', value, 0, 0xff)
    this.#check(checkAddress(address), checkInteger('length', length, 0, PHYSICAL_ADDRESS_END))
    this.#walk(address, length, (bytes) => {
      bytes.fill(value)
    })
  }

  /**
   * A live view: the guest sees what is written to it, and it shows what the guest writes. It lies within one region
   * (`ERR_KVM_NOT_CONTIGUOUS` otherwise) and has length 0 once the memory is closed.
   */
  view(address: number, length: number): Uint8Array {
    this.#check(checkAddress(address), checkInteger('length', length, 1, MAX_LENGTH))
    const region = this.find(address)
    if (region === undefined) throw this.#outside(address, length)
    const offset = address - region.at
    if (length > region.size - offset) {
      const boundary = region.at + region.size
      throw new KvmError(
        'ERR_KVM_NOT_CONTIGUOUS',
        `a view of ${length} bytes at ${hex(address)} would cross into another region at ${hex(boundary)}; use read()`,
        { operands: { address, length, boundary } },
      )
    }
    return region.contiguous(offset, length)
  }

  readUint8(address: number): number {
    return this.#load(address, 1).getUint8(this.#at)
  }
  readUint16(address: number): number {
    return this.#load(address, 2).getUint16(this.#at, true)
  }
  readUint32(address: number): number {
    return this.#load(address, 4).getUint32(this.#at, true)
  }
  readUint64(address: number): bigint {
    return this.#load(address, 8).getBigUint64(this.#at, true)
  }

  writeUint8(address: number, value: number): void {
    checkInteger('value', value, 0, 0xff)
    this.#store(address, 1, (data, at) => {
      data.setUint8(at, value)
    })
  }
  writeUint16(address: number, value: number): void {
    checkInteger('value', value, 0, 0xffff)
    this.#store(address, 2, (data, at) => {
      data.setUint16(at, value, true)
    })
  }
  writeUint32(address: number, value: number): void {
    checkInteger('value', value, 0, 0xffff_ffff)
    this.#store(address, 4, (data, at) => {
      data.setUint32(at, value, true)
    })
  }
  writeUint64(address: number, value: bigint): void {
    if (typeof value !== 'bigint' || BigInt.asUintN(64, value) !== value) {
      throw invalidArgument('value', value, 'a bigint from 0n to 2n**64n - 1n')
    }
    this.#store(address, 8, (data, at) => {
      data.setBigUint64(at, value, true)
    })
  }

  // Where the value that #load found lies in the DataView that it returned.
  #at = 0

  /** The DataView that holds `width` bytes: the window itself, or a copy when they cross a boundary. */
  #load(address: number, width: number): DataView {
    const region = this.find(checkAddress(address))
    if (region !== undefined) {
      const offset = address - region.at
      const { data } = region.window(offset)
      this.#at = offset - region.windowStart(offset)
      if (width <= data.byteLength - this.#at) return data
    }
    const copy = this.read(address, width)
    this.#at = 0
    return new DataView(copy.buffer)
  }

  #store(address: number, width: number, put: (data: DataView, at: number) => void): void {
    const region = this.find(checkAddress(address))
    if (region !== undefined) {
      const offset = address - region.at
      const { data } = region.window(offset)
      const at = offset - region.windowStart(offset)
      if (width <= data.byteLength - at) {
        put(data, at)
        return
      }
    }
    const bytes = new Uint8Array(width)
    put(new DataView(bytes.buffer), 0)
    this.write(address, bytes)
  }

  /** Throws unless every byte has memory behind it. */
  #check(address: number, length: number): void {
    let region = this.find(address) // refuses when closed, even where the length is 0
    for (let next = address; next < address + length; region = this.find(next)) {
      if (region === undefined) throw this.#outside(address, length, next)
      next = region.at + region.size
    }
  }

  /** Calls `visit` for each stretch within one window. The range has been checked. */
  #walk(address: number, length: number, visit: (bytes: Uint8Array, done: number) => void): void {
    for (let done = 0; done < length;) {
      const region = this.find(address + done)
      if (region === undefined) throw this.#outside(address, length, address + done)
      const offset = address + done - region.at
      const { bytes } = region.window(offset)
      const start = offset - region.windowStart(offset)
      const part = bytes.subarray(start, start + Math.min(length - done, bytes.length - start))
      visit(part, done)
      done += part.length
    }
  }

  #outside(address: number, length: number, missing = address): KvmError {
    const nearest = this.nearest(missing)
    const where =
      nearest === undefined
        ? 'there is no memory'
        : `the nearest region is ${hex(nearest.at)} to ${hex(nearest.at + nearest.size - 1)}`
    const first = missing === address ? '' : ` from ${hex(missing)} on`
    return new KvmError(
      'ERR_KVM_OUTSIDE_MEMORY',
      `${length} bytes at ${hex(address)} lie outside guest memory${first}; ${where}`,
      { operands: { address, length, missing, nearest } },
    )
  }
}
