// A driver in JavaScript, over plain memory and virtio's MMIO registers: small enough to break each rule by hand.
import { type DmaMemory, plainMemory } from '../../../lib/index.js'
import { monotonicClock } from '../../../lib/bus/clock.js'
import { type DoorbellTarget, ringOf } from '../../../lib/bus/device-context.js'
import { VirtioMmio, type VirtioMmioContext } from '../../../lib/virtio/mmio.js'
import * as R from '../../../lib/virtio/mmio-registers.js'
import type { VirtioDevice } from '../../../lib/virtio/virtio-device.js'

export const VERSION_1 = 1n << 32n
export const EVENT_IDX = 1n << 29n
export const INDIRECT = 1n << 28n

/** How much memory there is, from address 0 on. */
export const MEMORY = 0x40_0000
/** Where queue `index` has its parts. */
const QUEUE_SPACE = 0x1_0000
/** Where buffers are. */
export const BUFFERS = 0x20_0000

export interface MmioDriverOptions {
  features?: bigint
  /** Of each queue; at most what the device offers. */
  queueSize?: number
  memory?: DmaMemory
  /** How much of it each queue has. */
  queueSpace?: number
}

/** What a descriptor says; `data` is what it points to, or `length` how much room there is. */
export type Buffer = { data: Uint8Array } | { room: number } | { address: number; length: number; writable: boolean }

export interface Done {
  /** How many bytes the device says that it has written. */
  written: number
  /** What it was given room for, together. */
  data: Uint8Array
}

interface Request {
  rooms: { address: number; length: number }[]
  resolve: (done: Done) => void
}

/** The driver's side of one split queue. */
export class SplitQueue {
  readonly size: number
  readonly descriptors: number
  readonly available: number
  readonly used: number
  next = 0
  availableIndex = 0
  usedIndex = 0
  readonly requests = new Map<number, Request>()
  readonly #memory: DmaMemory

  constructor(memory: DmaMemory, index: number, size: number, space = QUEUE_SPACE) {
    this.#memory = memory
    this.size = size
    this.descriptors = 0x1000 + index * space
    this.available = this.descriptors + 16 * size
    this.used = Math.ceil((this.available + 6 + 2 * size) / 4) * 4
  }

  writeDescriptor(table: number, index: number, address: number, length: number, flags: number, next = 0): void {
    const bytes = new Uint8Array(16)
    const view = new DataView(bytes.buffer)
    view.setBigUint64(0, BigInt(address), true)
    view.setUint32(8, length, true)
    view.setUint16(12, flags, true)
    view.setUint16(14, next, true)
    this.#memory.write(table + 16 * index, bytes)
  }

  makeAvailable(head: number): void {
    this.#memory.storeUint16(this.available + 4 + 2 * (this.availableIndex % this.size), head)
    this.availableIndex = (this.availableIndex + 1) & 0xffff
    this.#memory.storeUint16(this.available + 2, this.availableIndex)
  }
}

export class MmioDriver {
  readonly memory: DmaMemory
  readonly mmio: VirtioMmio
  readonly queues: SplitQueue[] = []
  /** What the device asked to be reset for. */
  readonly faults: unknown[] = []
  interrupts = 0
  readonly #features: bigint
  readonly #queueSize: number
  readonly #queueSpace: number
  readonly #doorbells = new Map<bigint, DoorbellTarget>()
  #buffers = BUFFERS
  #level = false

  /** `device`: or what makes it, transport and all. */
  constructor(device: VirtioDevice | ((context: VirtioMmioContext) => VirtioMmio), options: MmioDriverOptions = {}) {
    this.memory = options.memory ?? plainMemory({ at: 0, size: MEMORY })
    this.#features = options.features ?? VERSION_1
    this.#queueSize = options.queueSize ?? 16
    this.#queueSpace = options.queueSpace ?? QUEUE_SPACE
    const context: VirtioMmioContext = {
      name: 'virtio0',
      memory: this.memory,
      clock: monotonicClock,
      schedule: (delay, call) => {
        const timer = setTimeout(call, Number(delay / 1_000_000n))
        return () => clearTimeout(timer)
      },
      interrupt: () => ({ set: (level) => this.#setLevel(level) }),
      doorbell: ({ value }, ring) => {
        if (value !== undefined) this.#doorbells.set(value, ring)
        return {
          close: () => {
            if (this.#doorbells.get(value ?? 0n) === ring) this.#doorbells.delete(value ?? 0n)
          },
        }
      },
      effects: { needsReset: (_: string, error: unknown) => void this.faults.push(error) } as never,
    }
    this.mmio = typeof device === 'function' ? device(context) : new VirtioMmio(device, context)
  }

  read(offset: number, width: 1 | 2 | 4 = 4): number {
    const data = new Uint8Array(4)
    this.mmio.read(offset, data.subarray(0, width))
    return new DataView(data.buffer).getUint32(0, true)
  }

  write(offset: number, value: number): void | Promise<void> {
    const data = new Uint8Array(4)
    new DataView(data.buffer).setUint32(0, value, true)
    return this.mmio.write(offset, data)
  }

  /** A register whose writing takes no time. */
  set(offset: number, value: number): void {
    void this.write(offset, value)
  }

  config(offset: number, length: number): Uint8Array {
    const data = new Uint8Array(length)
    this.mmio.read(R.CONFIG + offset, data)
    return data
  }

  get status(): number {
    return this.read(R.STATUS)
  }

  /** As virtio 1.2, 3.1.1 says. */
  async start(features = this.#features): Promise<this> {
    await this.write(R.STATUS, 0)
    this.queues.length = 0
    this.set(R.STATUS, 1)
    this.set(R.STATUS, 3)
    for (const half of [0, 1]) {
      this.set(R.DRIVER_FEATURES_SEL, half)
      this.set(R.DRIVER_FEATURES, Number((features >> BigInt(32 * half)) & 0xffff_ffffn))
    }
    this.set(R.STATUS, 11)
    for (let index = 0; ; index++) {
      this.set(R.QUEUE_SEL, index)
      const most = this.read(R.QUEUE_NUM_MAX)
      if (most === 0) break
      this.setUpQueue(index, Math.min(most, this.#queueSize))
    }
    this.set(R.STATUS, 15)
    return this
  }

  setUpQueue(index: number, size: number): SplitQueue {
    const queue = new SplitQueue(this.memory, index, size, this.#queueSpace)
    this.memory.fill(queue.descriptors, this.#queueSpace, 0)
    this.set(R.QUEUE_SEL, index)
    this.set(R.QUEUE_NUM, size)
    this.set(R.QUEUE_DESC_LOW, queue.descriptors)
    this.set(R.QUEUE_DRIVER_LOW, queue.available)
    this.set(R.QUEUE_DEVICE_LOW, queue.used)
    this.set(R.QUEUE_READY, 1)
    return (this.queues[index] = queue)
  }

  /** Makes a chain available, kicks, and resolves with what the device has done with it. */
  send(index: number, buffers: readonly Buffer[]): Promise<Done> {
    const done = this.offer(index, buffers)
    this.kick(index)
    return done
  }

  /** The same without the kick. */
  offer(index: number, buffers: readonly Buffer[]): Promise<Done> {
    const queue = this.queues[index] as SplitQueue
    const head = queue.next
    const rooms: Request['rooms'] = []
    for (const [position, buffer] of buffers.entries()) {
      const isLast = position === buffers.length - 1
      const { address, length, writable } = this.#place(buffer)
      if (writable) rooms.push({ address, length })
      const slot = queue.next
      queue.next = (queue.next + 1) % queue.size
      queue.writeDescriptor(queue.descriptors, slot, address, length, (writable ? 2 : 0) | (isLast ? 0 : 1), queue.next)
    }
    const done = new Promise<Done>((resolve) => queue.requests.set(head, { rooms, resolve }))
    queue.makeAvailable(head)
    return done
  }

  kick(index: number): void {
    const ring = this.#doorbells.get(BigInt(index))
    if (ring === undefined) this.set(R.QUEUE_NOTIFY, index)
    else ringOf(ring)()
  }

  /** What an interrupt handler does. */
  collect(): void {
    const status = this.read(R.INTERRUPT_STATUS)
    this.set(R.INTERRUPT_ACK, status)
    // Without the queues that a test has not set up.
    for (const queue of Object.values(this.queues)) {
      while (queue.usedIndex !== this.memory.loadUint16(queue.used + 2)) {
        const entry = queue.used + 4 + 8 * (queue.usedIndex % queue.size)
        const id = this.memory.loadUint32(entry) ?? 0
        const written = this.memory.loadUint32(entry + 4) ?? 0
        queue.usedIndex = (queue.usedIndex + 1) & 0xffff
        const request = queue.requests.get(id)
        queue.requests.delete(id)
        const parts = request?.rooms.map(({ address, length }) => this.memory.read(address, length) ?? new Uint8Array())
        // With event indices: at the next one.
        this.memory.storeUint16(queue.available + 4 + 2 * queue.size, queue.usedIndex)
        request?.resolve({ written, data: Uint8Array.from(parts?.flatMap((part) => [...part]) ?? []) })
      }
    }
  }

  #setLevel(level: boolean): void {
    const rises = level && !this.#level
    this.#level = level
    if (!rises) return
    this.interrupts++
    // As a processor does: not in the middle of what the device is at.
    setImmediate(() => {
      this.collect()
    })
  }

  #place(buffer: Buffer): { address: number; length: number; writable: boolean } {
    if ('address' in buffer) return buffer
    const length = 'data' in buffer ? buffer.data.length : buffer.room
    const address = this.#buffers
    this.#buffers += Math.ceil(length / 16) * 16
    if (this.#buffers > MEMORY) throw new Error('the test has no more room for buffers')
    if ('data' in buffer) this.memory.write(address, buffer.data)
    return { address, length, writable: 'room' in buffer }
  }
}
