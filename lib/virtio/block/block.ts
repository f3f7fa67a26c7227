import type { Registers } from '../../bus/registers.js'
import { type Disk, SECTOR } from '../../disk/disk.js'
import { StateReader, type Versioned } from '../../state.js'
import { checkInteger } from '../../validate.js'
import type { Chain } from '../chain.js'
import { RateLimiter, type RateLimits } from '../rate-limiter.js'
import type { VirtioDevice, VirtioHost } from '../virtio-device.js'
import type { Virtqueue } from '../virtqueue.js'
import { configRegisters } from './config.js'
import * as L from './layout.js'
import { type BlockFailure, type BlockOptions, checkBlockOptions, checkDisk } from './options.js'
import { type BlockRequest, type DiskFacts, type Range, readRequest } from './request.js'
import { type BlockOperation, type BlockStatistics, newStatistics } from './statistics.js'
import { type MayMove, PART, readInto, writeFrom } from './transfer.js'

export interface BlockState extends Versioned {
  /** The driver wants each write to be durable when it is done. */
  writeThrough: boolean
}

const STATE_VERSION = 1
const QUEUE_SIZE = 256
/** A request's header and its status take a descriptor each. */
const SEG_MAX = QUEUE_SIZE - 2

/**
 * A block device (virtio 1.2, 5.2) on a {@link Disk}, which it closes when its machine is over. What the disk fails at is an I/O error
 * for the guest, and the device goes on.
 */
export class Block implements VirtioDevice {
  readonly id = 2
  readonly features: bigint
  readonly queueSizes: readonly number[]
  readonly config: Registers
  readonly disk: Disk
  readonly #blockSize: number
  readonly #facts: DiskFacts
  readonly #limiter: RateLimiter
  readonly #id: Uint8Array
  readonly #onError: (failure: BlockFailure) => void
  readonly #counts = newStatistics()
  #host: VirtioHost | undefined
  // What the driver has said of it.
  #writeThrough = false

  constructor(disk: Disk, options: BlockOptions = {}) {
    const { id, queues, blockSize, limits, onError } = checkBlockOptions(options)
    this.disk = checkDisk(disk)
    this.#blockSize = blockSize
    const writable = disk.write !== undefined
    this.#facts = {
      ...{ size: wholeBlocks(disk.size, blockSize), writable },
      canDiscard: writable && disk.discard !== undefined,
      canWriteZeroes: writable && disk.writeZeroes !== undefined,
    }
    this.#limiter = new RateLimiter(limits)
    this.#id = new Uint8Array(L.ID_SIZE)
    new TextEncoder().encodeInto(id, this.#id)
    this.#onError = onError
    this.queueSizes = Array.from({ length: queues }, () => QUEUE_SIZE)
    this.features =
      L.F_SEG_MAX |
      L.F_BLK_SIZE |
      L.F_TOPOLOGY |
      L.F_FLUSH |
      (writable ? 0n : L.F_RO) |
      (writable ? L.F_CONFIG_WCE : 0n) |
      (queues > 1 ? L.F_MQ : 0n) |
      (this.#facts.canDiscard ? L.F_DISCARD : 0n) |
      (this.#facts.canWriteZeroes ? L.F_WRITE_ZEROES : 0n)
    const capacity = () => BigInt(this.#facts.size / SECTOR)
    const writeback = { read: () => (this.#flushesAlways ? 0 : 1), write: (value: number) => this.#setWriteback(value) }
    this.config = configRegisters({ capacity, segMax: SEG_MAX, blockSize, queues, writeback })
  }

  attach(host: VirtioHost): void {
    this.#host = host
    this.#limiter.attach(host)
  }

  startQueue(queue: Virtqueue): void {
    queue.serve((chain) => this.#serve(chain, queue))
  }

  stopQueue(queue: Virtqueue): void {
    this.#limiter.cancel(queue)
  }

  /** The guest's time stands still: who waits for it must not. */
  pause(): void {
    this.#limiter.release()
  }

  reset(): void {
    this.#writeThrough = false
  }

  save(): BlockState {
    return { version: STATE_VERSION, writeThrough: this.#writeThrough }
  }

  restore(state: BlockState): void {
    this.#writeThrough = new StateReader(this.#host?.name ?? 'block', state, STATE_VERSION).boolean('writeThrough')
  }

  async letGo(): Promise<void> {
    await this.disk.letGo?.()
  }

  async takeBack(): Promise<void> {
    await this.disk.takeBack?.()
  }

  async close(): Promise<void> {
    await this.disk.close?.()
  }

  /** How much the guest may ask for. May be set while it runs. */
  get limits(): RateLimits {
    return this.#limiter.limits
  }

  set limits(limits) {
    this.#limiter.limits = limits
  }

  get statistics(): BlockStatistics {
    return structuredClone({ ...this.#counts, delayed: this.#limiter.delayed })
  }

  /** The disk has another size now: the guest is told. */
  resized(): void {
    this.#facts.size = wholeBlocks(this.disk.size, this.#blockSize)
    this.#host?.configChanged()
  }

  /** All of a chain but its status: it is written when everything else has been. */
  async #serve(chain: Chain, queue: Virtqueue): Promise<number> {
    const request = readRequest(chain, this.#facts)
    const cost = costOf(request)
    const admission = this.#limiter.admit(cost, queue)
    const mayGo = admission === undefined || (await admission)
    // Many that have waited may go together.
    if (admission !== undefined && mayGo) await queue.mayMove(Math.min(cost, PART))
    const status = mayGo ? await this.#execute(request, (bytes) => queue.mayMove(bytes)) : L.S_IOERR
    const { writable } = chain
    writable.set(Uint8Array.of(status), writable.length - L.STATUS_SIZE)
    return writable.length
  }

  async #execute(request: BlockRequest, mayMove: MayMove): Promise<number> {
    const { disk } = this
    switch (request.operation) {
      case 'read':
        return this.#run('read', request, () => readInto(disk, request.offset, request.data, mayMove))
      case 'write':
        return this.#change('write', request, () => writeFrom(disk, request.offset, request.data, mayMove))
      case 'flush':
        return this.#flush()
      case 'discard':
        return this.#forEach('discard', request.ranges, ({ offset, length }) => disk.discard?.(offset, length))
      case 'writeZeroes':
        return this.#forEach('writeZeroes', request.ranges, ({ offset, length, unmap }) =>
          disk.writeZeroes?.(offset, length, unmap),
        )
      case 'id':
        request.data.set(this.#id)
        return L.S_OK
      case 'refused':
        this.#counts.refused++
        return request.status
    }
  }

  async #forEach<R extends Range>(
    operation: BlockOperation,
    ranges: readonly R[],
    act: (range: R) => unknown,
  ): Promise<number> {
    for (const range of ranges) {
      const status = await this.#change(operation, range, () => act(range))
      if (status !== L.S_OK) return status
    }
    return L.S_OK
  }

  /** A driver that has not accepted flushes takes what is done for durable, and one that has said so (virtio 1.2, 5.2.6.2). */
  get #flushesAlways(): boolean {
    return this.#writeThrough || !this.#has(L.F_FLUSH)
  }

  #has(feature: bigint): boolean {
    return ((this.#host?.features ?? 0n) & feature) !== 0n
  }

  /** What has been written before is durable, too, when the cache is off. */
  #setWriteback(value: number): unknown {
    if (!this.#has(L.F_CONFIG_WCE)) return undefined
    const before = this.#flushesAlways
    this.#writeThrough = value === 0
    return this.#flushesAlways && !before ? this.#flush() : undefined
  }

  async #change(operation: BlockOperation, range: Range, act: () => unknown): Promise<number> {
    const status = await this.#run(operation, range, act)
    return status === L.S_OK && this.#flushesAlways ? this.#flush() : status
  }

  #flush(): Promise<number> {
    return this.#run('flush', undefined, () => this.disk.flush?.())
  }

  async #run(operation: BlockOperation, range: Range | undefined, act: () => unknown): Promise<number> {
    const count = this.#counts[operation]
    try {
      await act()
    } catch (error) {
      count.errors++
      const where = range === undefined ? {} : { offset: range.offset, length: range.length }
      this.#onError({ error, operation, ...where })
      return L.S_IOERR
    }
    count.operations++
    count.bytes += range?.length ?? 0
    return L.S_OK
  }
}

/** What a limit of bytes counts: what goes between the guest and the disk. */
function costOf(request: BlockRequest): number {
  return request.operation === 'read' || request.operation === 'write' ? request.length : 0
}

/** What lies behind the last whole block the guest does not see. */
function wholeBlocks(size: unknown, blockSize: number): number {
  const bytes = checkInteger('disk.size', size, 0, Number.MAX_SAFE_INTEGER)
  return bytes - (bytes % blockSize)
}
