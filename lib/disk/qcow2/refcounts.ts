import { diskError } from '../disk-error.js'
import { LARGER_CLUSTERS, type Qcow2Header } from './header.js'
import type { ImageFile } from './image-file.js'

interface Block {
  offset: number
  counts: Uint16Array
  isDirty: boolean
}

/** A part of the file that holds a table of the image. */
export interface Used {
  offset: number
  length: number
}

const COUNT_BYTES = 2

/**
 * How often each cluster of the file is referred to: of an image that is written to, where refcounts have 16 bits. New clusters come
 * from the end of the file, and nothing is ever used again, so a cluster that is referred to has never been another's.
 */
export class Refcounts {
  readonly #file: ImageFile
  readonly #clusterSize: number
  readonly #tableOffset: number
  readonly #table: BigUint64Array
  readonly #changed = new Set<number>()
  readonly #blocks = new Map<number, Block>()
  /** The numbers of the clusters that hold tables: no data of the guest's may go there. */
  readonly #tables = new Set<number>()
  #next: number

  private constructor(file: ImageFile, header: Qcow2Header, table: BigUint64Array) {
    this.#file = file
    this.#clusterSize = 2 ** header.clusterBits
    this.#tableOffset = header.refcountTable.offset
    this.#table = table
    this.#next = Math.ceil(file.size / this.#clusterSize)
  }

  /** `used`: what else than refcounts has a place in the file that no data may come to. */
  static async open(file: ImageFile, header: Qcow2Header, used: readonly Used[]): Promise<Refcounts> {
    const { offset, entries } = header.refcountTable
    const refcounts = new Refcounts(file, header, await file.readTable(offset, entries))
    refcounts.#reserve({ offset, length: entries * 8 })
    for (const each of used) refcounts.#reserve(each)
    for (const entry of refcounts.#table) {
      if (entry !== 0n) refcounts.#reserve({ offset: Number(entry), length: refcounts.#clusterSize })
    }
    return refcounts
  }

  /** Where the last cluster ends. */
  get end(): number {
    return this.#next * this.#clusterSize
  }

  /** Whether a table of the image is there. */
  isTable(offset: number): boolean {
    return this.#tables.has(Math.floor(offset / this.#clusterSize))
  }

  /** Takes the next cluster at the end of the file, and counts it. For a table, no data may come there from now on. */
  async take(purpose: 'data' | 'table'): Promise<number> {
    const cluster = this.#next
    await this.#count(cluster)
    if (purpose === 'table') this.#tables.add(cluster)
    return cluster * this.#clusterSize
  }

  /** One reference less to each cluster of which it has bytes. */
  async release({ offset, length }: Used): Promise<void> {
    const last = Math.floor((offset + length - 1) / this.#clusterSize)
    for (let cluster = Math.floor(offset / this.#clusterSize); cluster <= last; cluster++) {
      const block = await this.#block(Math.floor(cluster / this.#perBlock))
      const index = cluster % this.#perBlock
      const count = block?.counts[index] ?? 0
      if (block === undefined || count === 0) continue
      block.counts[index] = count - 1
      block.isDirty = true
    }
  }

  /** Writes what has changed: blocks before the table that refers to them. It is durable after the next flush. */
  async write(): Promise<void> {
    for (const block of this.#blocks.values()) {
      if (!block.isDirty) continue
      await this.#file.write(block.offset, Buffer.from(block.counts.slice().buffer).swap16())
      block.isDirty = false
    }
    if (this.#changed.size > 0) await this.#file.flush()
    for (const index of this.#changed) {
      await this.#file.writeTable(this.#tableOffset, index, this.#table.subarray(index, index + 1))
    }
    this.#changed.clear()
    // The next one is counted where the last was.
    for (const index of [...this.#blocks.keys()].slice(0, -1)) this.#blocks.delete(index)
  }

  get #perBlock(): number {
    return this.#clusterSize / COUNT_BYTES
  }

  async #count(cluster: number): Promise<void> {
    const index = Math.floor(cluster / this.#perBlock)
    if (index >= this.#table.length) {
      throw diskError(this.#file.path, `cannot grow: its refcount table has no room for more; ${LARGER_CLUSTERS}`)
    }
    const block = await this.#block(index)
    this.#next = cluster + 1
    if (block === undefined) {
      const place = this.#next++
      this.#addBlock(index, place)
      this.#tables.add(place)
      // Itself: mostly in itself.
      await this.#count(place)
    }
    const counting = await this.#block(index)
    if (counting === undefined) return
    counting.counts[cluster % this.#perBlock] = 1
    counting.isDirty = true
  }

  #addBlock(index: number, place: number): void {
    const offset = place * this.#clusterSize
    this.#blocks.set(index, { offset, counts: new Uint16Array(this.#perBlock), isDirty: true })
    this.#table[index] = BigInt(offset)
    this.#changed.add(index)
  }

  async #block(index: number): Promise<Block | undefined> {
    const known = this.#blocks.get(index)
    if (known !== undefined) return known
    const offset = Number(this.#table[index] ?? 0n)
    if (offset === 0) return undefined
    const counts = new Uint16Array(this.#perBlock)
    const bytes = Buffer.from(counts.buffer)
    await this.#file.read(offset, bytes)
    bytes.swap16()
    const block = { offset, counts, isDirty: false }
    this.#blocks.set(index, block)
    return block
  }

  #reserve({ offset, length }: Used): void {
    if (offset % this.#clusterSize !== 0) throw this.#file.malformed('it has a table that is not at a cluster')
    for (let at = offset; at < offset + length; at += this.#clusterSize) {
      const cluster = at / this.#clusterSize
      if (cluster >= this.#next) throw this.#file.malformed('it has a table outside of the file')
      if (this.#tables.has(cluster)) throw this.#file.malformed('two of its tables are at one place')
      this.#tables.add(cluster)
    }
  }
}
