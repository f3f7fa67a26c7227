// A block device's driver: requests of every kind, and those that no driver would send.
import { Block, type BlockOptions, type Disk } from '../../../../lib/virtio/index.js'
import { type Buffer, MmioDriver, type MmioDriverOptions, VERSION_1 } from '../mmio-driver.js'

export const [IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES] = [0, 1, 4, 8, 11, 13]
export const [OK, IOERR, UNSUPP] = [0, 1, 2]
export const SECTOR = 512
/** What a driver of today accepts. */
export const F_RO = 1n << 5n
export const F_FLUSH = 1n << 9n

export function header(type: number, sector: bigint | number = 0): { data: Uint8Array } {
  const data = new Uint8Array(16)
  const view = new DataView(data.buffer)
  view.setUint32(0, type, true)
  view.setBigUint64(8, BigInt(sector), true)
  return { data }
}

/** A segment of a discard or of a write of zeroes. */
export function segment(sector: bigint | number, count: number, flags = 0): Uint8Array {
  const data = new Uint8Array(16)
  const view = new DataView(data.buffer)
  view.setBigUint64(0, BigInt(sector), true)
  view.setUint32(8, count, true)
  view.setUint32(12, flags, true)
  return data
}

export class BlockDriver extends MmioDriver {
  readonly block: Block

  constructor(block: Block, options: MmioDriverOptions = {}) {
    super(block, { features: VERSION_1 | F_FLUSH, queueSize: 64, ...options })
    this.block = block
  }

  /** The status, and what was read. */
  async request(
    buffers: readonly Buffer[],
    queue = 0,
  ): Promise<{ status: number | undefined; data: Uint8Array; written: number }> {
    const { data, written } = await this.send(queue, buffers)
    return { status: data.at(-1), data: data.subarray(0, -1), written }
  }

  readSectors(sector: number | bigint, length: number, queue = 0) {
    return this.request([header(IN, sector), { room: length }, { room: 1 }], queue)
  }

  async writeSectors(sector: number | bigint, data: Uint8Array, queue = 0): Promise<number | undefined> {
    return (await this.request([header(OUT, sector), { data }, { room: 1 }], queue)).status
  }

  async flush(): Promise<number | undefined> {
    return (await this.request([header(FLUSH), { room: 1 }])).status
  }

  async ranges(type: number, ...segments: Uint8Array[]): Promise<number | undefined> {
    const data = Uint8Array.from(segments.flatMap((each) => [...each]))
    return (await this.request([header(type), { data }, { room: 1 }])).status
  }
}

export function startBlock(disk: Disk, options: BlockOptions = {}, driver: MmioDriverOptions = {}) {
  return new BlockDriver(new Block(disk, options), driver).start()
}

/** A disk in memory, and what has been asked of it. */
export function memoryDisk(sectors: number) {
  const bytes = new Uint8Array(sectors * SECTOR)
  const calls: string[] = []
  const disk = {
    size: bytes.length,
    read: (offset: number, into: Uint8Array) => {
      calls.push(`read ${offset} ${into.length}`)
      into.set(bytes.subarray(offset, offset + into.length))
    },
    write: (offset: number, from: Uint8Array) => {
      calls.push(`write ${offset} ${from.length}`)
      bytes.set(from, offset)
    },
    flush: () => {
      calls.push('flush')
    },
    discard: (offset: number, length: number) => {
      calls.push(`discard ${offset} ${length}`)
    },
    writeZeroes: (offset: number, length: number, unmap: boolean) => {
      calls.push(`zero ${offset} ${length} ${unmap}`)
      bytes.fill(0, offset, offset + length)
    },
    close: () => {
      calls.push('close')
    },
  } satisfies Disk
  return { bytes, calls, disk }
}

/** Bytes that tell where they are from. */
export function pattern(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 9) * 13 + seed) & 0xff)
}
