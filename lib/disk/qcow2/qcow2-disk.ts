import type { Disk } from '../disk.js'
import { ClusterMap } from './cluster-map.js'
import { CompressedClusters } from './compressed.js'
import { AUTOCLEAR_OFFSET, type Qcow2Header } from './header.js'
import type { ImageFile } from './image-file.js'
import { Pace } from './pace.js'
import { Turns } from './turns.js'

/** How many parts of a request are under way at once: enough to keep the threads busy that Node has for files. */
const PARTS_AT_ONCE = 8

interface Parts {
  file: ImageFile
  header: Qcow2Header
  map: ClusterMap
  backing: Disk | undefined
}

/** An image in QEMU's format, versions 2 and 3. What it does not have, its backing disk has, or it is zeros. */
export class Qcow2Disk implements Disk {
  readonly size: number
  readonly #file: ImageFile
  readonly #map: ClusterMap
  readonly #backing: Disk | undefined
  readonly #clusterSize: number
  readonly #compressed: CompressedClusters
  /** Only one thing at a time changes what is where. */
  readonly #turns = new Turns()
  readonly #pace = new Pace()
  readonly write?: (offset: number, bytes: Uint8Array) => Promise<void>
  readonly writev?: (offset: number, pieces: readonly Uint8Array[]) => Promise<void>
  readonly flush?: () => Promise<void>
  readonly discard?: (offset: number, length: number) => Promise<void>
  readonly writeZeroes?: (offset: number, length: number, unmap: boolean) => Promise<void>

  private constructor({ file, header, map, backing }: Parts, readonly: boolean) {
    this.size = header.size
    this.#file = file
    this.#map = map
    this.#backing = backing
    this.#clusterSize = 2 ** header.clusterBits
    this.#compressed = new CompressedClusters(file, this.#clusterSize)
    if (readonly) return
    this.write = (offset, bytes) => this.#write(offset, [bytes])
    this.writev = (offset, pieces) => this.#write(offset, pieces)
    this.flush = () => this.#turns.take(() => this.#map.commit())
    this.discard = (offset, length) => this.#discard(offset, length)
    this.writeZeroes = (offset, length, unmap) => this.#writeZeroes(offset, length, unmap)
  }

  static async open(file: ImageFile, header: Qcow2Header, readonly: boolean, backing?: Disk): Promise<Qcow2Disk> {
    const map = await ClusterMap.open(file, header, readonly)
    // What they say would not be true any more (bitmaps, for example).
    if (!readonly && header.autoclear !== 0n) await file.write(AUTOCLEAR_OFFSET, new Uint8Array(8))
    return new Qcow2Disk({ file, header, map, backing }, readonly)
  }

  read(offset: number, bytes: Uint8Array): Promise<void> {
    return this.readv(offset, [bytes])
  }

  readv(offset: number, pieces: readonly Uint8Array[]): Promise<void> {
    return this.#forEachPart(offset, pieces, (at, part) => this.#readPart(at, part))
  }

  #write(offset: number, pieces: readonly Uint8Array[]): Promise<void> {
    return this.#forEachPart(offset, pieces, (at, part) => this.#writePart(at, part))
  }

  async letGo(): Promise<void> {
    await this.flush?.()
    await this.#file.letGo()
  }

  /** Whoever had it has not changed it: what is where is as it was. */
  async takeBack(): Promise<void> {
    await this.#file.takeBack()
  }

  async close(): Promise<void> {
    try {
      await this.flush?.()
    } finally {
      try {
        await this.#file.close()
      } finally {
        await this.#backing?.close?.()
      }
    }
  }

  /** Each part lies in one cluster. After a failure, no other is begun. */
  async #forEachPart(
    offset: number,
    pieces: readonly Uint8Array[],
    act: (at: number, part: Uint8Array) => Promise<void>,
  ): Promise<void> {
    const parts = partsOf(offset, pieces, this.#clusterSize)
    const work = async () => {
      for (const [at, part] of parts) {
        await this.#pace.step()
        await act(at, part)
      }
    }
    // Each takes the next part. Where one throws, the loops of all are over.
    await settled(Array.from({ length: PARTS_AT_ONCE }, work))
  }

  async #readPart(at: number, part: Uint8Array): Promise<void> {
    const cluster = await this.#map.find(at)
    const within = at % this.#clusterSize
    if (cluster.kind === 'data') await this.#file.read(cluster.offset + within, part)
    else if (cluster.kind === 'compressed') {
      const bytes = await this.#compressed.read(cluster.offset, cluster.length)
      part.set(bytes.subarray(within, within + part.length))
    } else if (cluster.kind === 'unallocated' && this.#backing !== undefined) await readBacking(this.#backing, at, part)
    else part.fill(0)
  }

  async #writePart(at: number, part: Uint8Array): Promise<void> {
    if (await this.#writeInPlace(at, part)) return
    await this.#turns.take(async () => {
      // Somebody may have come first.
      if (await this.#writeInPlace(at, part)) return
      const start = at - (at % this.#clusterSize)
      const whole = new Uint8Array(this.#clusterSize)
      if (part.length < whole.length) await this.#readPart(start, whole.subarray(0, this.size - start))
      whole.set(part, at - start)
      await this.#file.write(this.#map.nextPlace, whole)
      await this.#map.add(at)
    })
  }

  /** False when there is no place for it yet. */
  async #writeInPlace(at: number, part: Uint8Array): Promise<boolean> {
    const cluster = await this.#map.find(at)
    if (cluster.kind !== 'data') return false
    if (!cluster.mayBeWritten) throw this.#file.malformed('a cluster of it is not its own, though it has no snapshots')
    await this.#file.write(cluster.offset + (at % this.#clusterSize), part)
    return true
  }

  /** The image keeps the room, and the file that it is in gives it back. */
  async #discard(offset: number, length: number): Promise<void> {
    for (const [at, from, to] of inClusters(offset, length, this.#clusterSize)) {
      await this.#pace.step()
      const cluster = await this.#map.find(at)
      if (cluster.kind !== 'data' || !cluster.mayBeWritten) continue
      await this.#file.discard(cluster.offset + (at % this.#clusterSize), to - from)
    }
  }

  async #writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    for (const [at, from, to] of inClusters(offset, length, this.#clusterSize)) {
      await this.#pace.step()
      const cluster = await this.#map.find(at)
      const isZero = cluster.kind === 'zero' || (cluster.kind === 'unallocated' && this.#backing === undefined)
      if (isZero) continue
      const place =
        cluster.kind === 'data' && cluster.mayBeWritten ? cluster.offset + (at % this.#clusterSize) : undefined
      if (place !== undefined && (await this.#file.writeZeroes(place, to - from, unmap))) continue
      await this.#writePart(at, new Uint8Array(to - from))
    }
  }
}

/** Cuts a stretch of the guest's bytes where clusters begin. `from` and `to` count from its start. */
function* inClusters(
  offset: number,
  length: number,
  clusterSize: number,
): Generator<[at: number, from: number, to: number]> {
  for (let from = 0; from < length;) {
    const at = offset + from
    const to = Math.min(length, from + clusterSize - (at % clusterSize))
    yield [at, from, to]
    from = to
  }
}

function* partsOf(
  offset: number,
  pieces: readonly Uint8Array[],
  clusterSize: number,
): Generator<[at: number, part: Uint8Array]> {
  let start = offset
  for (const piece of pieces) {
    for (const [at, from, to] of inClusters(start, piece.length, clusterSize)) yield [at, piece.subarray(from, to)]
    start += piece.length
  }
}

/** When all have ended, so that nothing touches the guest's memory afterwards. The first failure is thrown. */
async function settled(all: readonly Promise<void>[]): Promise<void> {
  for (const each of await Promise.allSettled(all)) if (each.status === 'rejected') throw each.reason
}

/** It may be shorter. */
async function readBacking(backing: Disk, at: number, part: Uint8Array): Promise<void> {
  const there = part.subarray(0, Math.max(0, backing.size - at))
  if (there.length > 0) await backing.read(at, there)
  part.fill(0, there.length)
}
