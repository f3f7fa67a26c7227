import { type Cluster, keptOffset, l2Offset, makeEntry, readEntry } from './entries.js'
import type { Qcow2Header } from './header.js'
import type { ImageFile } from './image-file.js'
import { Refcounts, type Used } from './refcounts.js'

interface L2Table {
  offset: number
  entries: BigUint64Array
  isDirty: boolean
}

/** How many tables are kept in memory: with clusters of 64 KiB, those for 32 GiB. */
const MOST_TABLES = 64
const ENTRY_BYTES = 8

/**
 * Where the guest's clusters are. What changes, changes in memory, and is in the file after {@link commit}, so that nothing in the
 * file ever refers to what is not there: first the data and the counts, then the L2 tables, then the L1 table.
 */
export class ClusterMap {
  readonly #file: ImageFile
  readonly #header: Qcow2Header
  readonly #l1: BigUint64Array
  readonly #changedL1 = new Set<number>()
  /** By their index in the L1 table, oldest use first. */
  readonly #l2 = new Map<number, Promise<L2Table>>()
  /** Undefined where nobody writes. */
  readonly #refcounts: Refcounts | undefined
  /** What entries referred to that have been written anew. */
  #givenUp: Used[] = []

  private constructor(file: ImageFile, header: Qcow2Header, l1: BigUint64Array, refcounts?: Refcounts) {
    this.#file = file
    this.#header = header
    this.#l1 = l1
    this.#refcounts = refcounts
  }

  static async open(file: ImageFile, header: Qcow2Header, readonly: boolean): Promise<ClusterMap> {
    const l1 = await file.readTable(header.l1.offset, header.l1.entries)
    if (readonly) return new ClusterMap(file, header, l1)
    const length = 2 ** header.clusterBits
    const l2 = Array.from(l1, (entry) => ({ offset: l2Offset(entry), length })).filter(({ offset }) => offset !== 0)
    const l1Place = { offset: header.l1.offset, length: header.l1.entries * ENTRY_BYTES }
    const refcounts = await Refcounts.open(file, header, [{ offset: 0, length }, l1Place, ...l2])
    return new ClusterMap(file, header, l1, refcounts)
  }

  /** The cluster in which that byte of the guest's lies. */
  async find(offset: number): Promise<Cluster> {
    const table = await this.#table(this.#tableOf(offset))
    const entry = table?.entries[this.#indexOf(offset)] ?? 0n
    const cluster = readEntry(entry, this.#header.clusterBits, this.#header.hasZeroFlag)
    if (cluster.kind === 'malformed') throw this.#file.malformed('a cluster of it has an offset in the middle of one')
    if (cluster.kind === 'data' || cluster.kind === 'compressed') this.#checkPlace(cluster.offset)
    return cluster
  }

  /** Where the next new cluster will be: its data comes there before {@link add}. */
  get nextPlace(): number {
    return this.#writable.end
  }

  /** That cluster of the guest's is at {@link nextPlace}. */
  async add(offset: number): Promise<void> {
    const index = this.#tableOf(offset)
    const place = await this.#writable.take('data')
    const table = (await this.#table(index)) ?? (await this.#newTable(index))
    const at = this.#indexOf(offset)
    const before = table.entries[at] ?? 0n
    const cluster = readEntry(before, this.#header.clusterBits, this.#header.hasZeroFlag)
    if (cluster.kind === 'compressed') this.#givenUp.push(cluster)
    if (keptOffset(before) !== 0) this.#givenUp.push({ offset: keptOffset(before), length: 1 })
    table.entries[at] = makeEntry(place)
    table.isDirty = true
    // Even if it has been forgotten meanwhile.
    this.#l2.set(index, Promise.resolve(table))
    if (this.#l2.size > MOST_TABLES) await this.commit()
  }

  /** All that has changed is in the file, whatever happens to the host. */
  async commit(): Promise<void> {
    const dirty = (await this.#loadedTables()).filter(({ isDirty }) => isDirty)
    if (dirty.length > 0) {
      await this.#writable.write()
      await this.#file.flush()
    }
    for (const table of dirty) {
      await this.#file.writeTable(table.offset, 0, table.entries)
      table.isDirty = false
    }
    if (this.#changedL1.size > 0) await this.#file.flush()
    for (const index of this.#changedL1) {
      await this.#file.writeTable(this.#header.l1.offset, index, this.#l1.subarray(index, index + 1))
    }
    this.#changedL1.clear()
    await this.#file.flush()
    await this.#giveUp()
    await this.#forgetOld()
  }

  /** When no entry in the file refers to it any more. Until then it would only be lost. */
  async #giveUp(): Promise<void> {
    if (this.#givenUp.length === 0) return
    for (const each of this.#givenUp.splice(0)) await this.#writable.release(each)
    await this.#writable.write()
  }

  get #writable(): Refcounts {
    if (this.#refcounts === undefined) throw new Error('nobody writes to an image that is read-only')
    return this.#refcounts
  }

  /** How many bytes of the guest's a table is for: it fills a cluster. */
  get #reach(): number {
    return 2 ** (2 * this.#header.clusterBits - Math.log2(ENTRY_BYTES))
  }

  #tableOf(offset: number): number {
    return Math.floor(offset / this.#reach)
  }

  #indexOf(offset: number): number {
    return Math.floor((offset % this.#reach) / 2 ** this.#header.clusterBits)
  }

  async #table(index: number): Promise<L2Table | undefined> {
    const known = this.#l2.get(index)
    if (known !== undefined) {
      this.#l2.delete(index)
      this.#l2.set(index, known)
      return known
    }
    const offset = l2Offset(this.#l1[index] ?? 0n)
    if (offset === 0) return undefined
    const loading = this.#load(offset)
    this.#l2.set(index, loading)
    try {
      return await loading
    } catch (error) {
      this.#l2.delete(index)
      throw error
    } finally {
      await this.#forgetOld()
    }
  }

  async #load(offset: number): Promise<L2Table> {
    const clusterSize = 2 ** this.#header.clusterBits
    if (offset % clusterSize !== 0) throw this.#file.malformed('an L2 table of it is not at a cluster')
    if (offset >= this.#end) throw this.#file.malformed('an L2 table of it is outside of the file')
    return { offset, entries: await this.#file.readTable(offset, clusterSize / ENTRY_BYTES), isDirty: false }
  }

  async #newTable(index: number): Promise<L2Table> {
    const offset = await this.#writable.take('table')
    this.#l1[index] = makeEntry(offset)
    this.#changedL1.add(index)
    return { offset, entries: new BigUint64Array(2 ** this.#header.clusterBits / ENTRY_BYTES), isDirty: true }
  }

  /** Those that wait to be written stay. */
  async #forgetOld(): Promise<void> {
    if (this.#l2.size <= MOST_TABLES) return
    for (const [index, loading] of [...this.#l2].slice(0, -MOST_TABLES)) {
      const table = await loading.catch(() => undefined)
      if (table?.isDirty !== true) this.#l2.delete(index)
    }
  }

  async #loadedTables(): Promise<L2Table[]> {
    const tables = await Promise.allSettled(this.#l2.values())
    return tables.flatMap((table) => (table.status === 'fulfilled' ? [table.value] : []))
  }

  get #end(): number {
    return this.#refcounts?.end ?? this.#file.size
  }

  #checkPlace(offset: number): void {
    if (offset < 2 ** this.#header.clusterBits || offset >= this.#end) {
      throw this.#file.malformed('a cluster of it is outside of the file')
    }
    if (this.#refcounts?.isTable(offset) === true) throw this.#file.malformed('a cluster of it is a table, too')
  }
}
