import type { DeviceMemory } from '../../../lib/memory/device-memory.js'

const PAGE = 0x1000

/** Guest memory of any size that costs only what is written, a page at a time: a fuzzer needs thousands. */
export class SparseMemory implements DeviceMemory {
  readonly #pages = new Map<number, Uint8Array>()
  readonly regions: { at: number; size: number; readonly: boolean }[]
  /** How many bytes have been written or filled. */
  touched = 0

  constructor(regions: readonly { at: number; size: number }[]) {
    this.regions = regions.map(({ at, size }) => ({ at, size, readonly: false }))
  }

  write(address: number, bytes: Uint8Array): boolean {
    this.#check(address, bytes.length)
    this.touched += bytes.length
    this.#walk(address, bytes.length, (page, offset, done, length) => {
      page.set(bytes.subarray(done, done + length), offset)
    })
    return true
  }

  fill(address: number, length: number, value: number): boolean {
    this.#check(address, length)
    this.touched += length
    this.#walk(address, length, (page, offset, _, part) => void page.fill(value, offset, offset + part))
    return true
  }

  read(address: number, length: number): Uint8Array {
    this.#check(address, length)
    const bytes = new Uint8Array(length)
    this.#walk(address, length, (page, offset, done, part) => bytes.set(page.subarray(offset, offset + part), done))
    return bytes
  }

  // Of no use to a loader.
  slices = () => undefined
  loadUint16 = () => undefined
  loadUint32 = () => undefined
  storeUint16 = () => false
  storeUint32 = () => false

  uint16 = (address: number) => new DataView(this.read(address, 2).buffer).getUint16(0, true)
  uint32 = (address: number) => new DataView(this.read(address, 4).buffer).getUint32(0, true)
  uint64 = (address: number) => new DataView(this.read(address, 8).buffer).getBigUint64(0, true)
  /** Text up to its NUL. */
  text(address: number): string {
    let length = 0
    while (this.read(address + length, 1)[0] !== 0) length++
    return new TextDecoder().decode(this.read(address, length))
  }

  #check(address: number, length: number): void {
    const inside = this.regions.some(({ at, size }) => address >= at && address + length <= at + size)
    if (!inside && length > 0) throw new Error(`${length} bytes at 0x${address.toString(16)} are outside memory`)
  }

  #walk(
    address: number,
    length: number,
    visit: (page: Uint8Array, offset: number, done: number, length: number) => void,
  ): void {
    for (let done = 0; done < length;) {
      const at = address + done
      const offset = at % PAGE
      const part = Math.min(length - done, PAGE - offset)
      let page = this.#pages.get(at - offset)
      if (page === undefined) this.#pages.set(at - offset, (page = new Uint8Array(PAGE)))
      visit(page, offset, done, part)
      done += part
    }
  }
}

export const MIB = 1024 ** 2
export const GIB = 1024 ** 3

/** A machine with this much RAM, all of it below 3 GiB. */
export const ram = (size: number) => new SparseMemory([{ at: 0, size }])
