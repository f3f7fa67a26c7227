import type { Disk } from '../disk.js'
import { diskError } from '../disk-error.js'

const ENTRY_BYTES = 8

/** The file that an image is in. It grows where something is written behind its end, and what lies there reads as zeros. */
export class ImageFile {
  readonly path: string
  readonly #disk: Disk
  #size: number

  constructor(path: string, disk: Disk) {
    this.path = path
    this.#disk = disk
    this.#size = disk.size
  }

  get size(): number {
    return this.#size
  }

  async read(offset: number, bytes: Uint8Array): Promise<void> {
    const there = bytes.subarray(0, Math.max(0, this.#size - offset))
    if (there.length > 0) await this.#disk.read(offset, there)
    bytes.fill(0, there.length)
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    await this.#disk.write?.(offset, bytes)
    this.#size = Math.max(this.#size, offset + bytes.length)
  }

  /** A table of big-endian numbers of 64 bits. */
  async readTable(offset: number, entries: number): Promise<BigUint64Array> {
    const table = new BigUint64Array(entries)
    const bytes = Buffer.from(table.buffer)
    await this.read(offset, bytes)
    bytes.swap64()
    return table
  }

  /** Entries of one, from number `index` on. */
  async writeTable(offset: number, index: number, entries: BigUint64Array): Promise<void> {
    await this.write(offset + index * ENTRY_BYTES, Buffer.from(entries.slice().buffer).swap64())
  }

  async discard(offset: number, length: number): Promise<void> {
    await this.#disk.discard?.(offset, length)
  }

  /** False where the file can only be written to. */
  async writeZeroes(offset: number, length: number, unmap: boolean): Promise<boolean> {
    if (this.#disk.writeZeroes === undefined) return false
    await this.#disk.writeZeroes(offset, length, unmap)
    return true
  }

  async flush(): Promise<void> {
    await this.#disk.flush?.()
  }

  async letGo(): Promise<void> {
    await this.#disk.letGo?.()
  }

  async takeBack(): Promise<void> {
    await this.#disk.takeBack?.()
  }

  async close(): Promise<void> {
    await this.#disk.close?.()
  }

  /** `what` is wrong with it. */
  malformed(what: string): Error {
    return diskError(this.path, `is no good qcow2 image: ${what}`)
  }
}
