import type { Clock, Schedule } from '../bus/clock.js'
import { promised } from '../bus/in-order.js'
import { KvmError } from '../errors.js'
import type { DeviceMemory } from '../memory/device-memory.js'
import { StateReader, type Versioned } from '../state.js'
import * as F from './features.js'
import { PackedRing } from './packed-ring.js'
import { QueueRegisters, type QueueState } from './queue-registers.js'
import type { RingState } from './ring.js'
import { SplitRing } from './split-ring.js'
import * as STATUS from './status.js'
import type { VirtioDevice } from './virtio-device.js'
import { Virtqueue } from './virtqueue.js'

/** What a transport is made of: how it reaches the guest, and what its machine has for it. */
export interface TransportHost {
  readonly name: string
  readonly memory: DeviceMemory
  readonly clock: Clock
  readonly schedule: Schedule
  /** Tells the driver that a queue has given buffers back. */
  queueInterrupt(index: number): void
  /** Tells the driver that the configuration, or the status, has changed. */
  configInterrupt(): void
  /** A queue has begun, and its doorbell is to ring {@link Transport.notify}; or it has ended. */
  queueStarted(index: number): void
  queueStopped(index: number): void
  /** The device waits to be reset, because of this. */
  needsReset(error: unknown): void
}

export interface TransportState extends Versioned {
  status: number
  /** What the driver has accepted: 64 bits, low half first. */
  features: [low: number, high: number]
  featureSelect: number
  driverFeatureSelect: number
  queueSelect: number
  generation: number
  queues: QueueState[]
  /** The device's own state, if it has any. */
  device?: object
}

const STATE_VERSION = 1
const MASK32 = 0xffff_ffffn
const MAX_UINT32 = 0xffff_ffff
const HALF = 32n

/**
 * What every transport does in the same way (virtio 1.2, chapters 2 and 3): status, features, queues, the device's life. A
 * transport of its own is what lies around it: where the registers are, and how the sides call each other.
 */
export class Transport {
  readonly device: VirtioDevice
  readonly #host: TransportHost
  readonly #offered: bigint
  readonly #queues: readonly QueueRegisters[]
  readonly #active: (Virtqueue | undefined)[] = []
  #status = 0
  #accepted = 0n
  #generation = 0
  #paused = false
  // Its queues give back what they have, for a reset or for good: no interrupt says so, and what cannot be given back is no fault.
  #stopping = false
  #resetting: Promise<void> | undefined
  /** Which half of the features is read, and written; which queue the queue registers are of. */
  featureSelect = 0
  driverFeatureSelect = 0
  queueSelect = 0

  constructor(device: VirtioDevice, host: TransportHost) {
    this.device = device
    this.#host = host
    this.#offered = device.features | F.QUEUE_FEATURES
    this.#queues = device.queueSizes.map((size) => new QueueRegisters(size))
    const accepted = () => this.#accepted
    const { name, clock, schedule } = host
    device.attach?.({
      ...{ name, clock, schedule },
      get features() {
        return accepted()
      },
      configChanged: () => {
        this.#configChanged()
      },
      needsReset: (error) => {
        this.#fail(error)
      },
    })
  }

  get status(): number {
    return this.#status
  }

  /** Changes when the configuration space does. */
  get generation(): number {
    return this.#generation
  }

  /** The registers of the selected queue, if there is such a queue. */
  get queue(): QueueRegisters | undefined {
    return this.#queues[this.queueSelect]
  }

  get queueCount(): number {
    return this.#queues.length
  }

  /** The selected half of what the device offers. */
  get deviceFeatures(): number {
    return half(this.#offered, this.featureSelect)
  }

  /** The selected half of what the driver has accepted. */
  get driverFeatures(): number {
    return half(this.#accepted, this.driverFeatureSelect)
  }

  /** After FEATURES_OK nothing changes any more. */
  set driverFeatures(value: number) {
    if ((this.#status & STATUS.FEATURES_OK) !== 0 || this.driverFeatureSelect > 1) return
    const shift = BigInt(this.driverFeatureSelect) * HALF
    this.#accepted = (this.#accepted & ~(MASK32 << shift)) | (BigInt(value) << shift)
  }

  /** The driver writes the status; what it may not write changes nothing. Zero resets: the promise is that of {@link reset}. */
  setStatus(value: number): void | Promise<void> {
    if (value === 0) return this.reset()
    if (this.#stopping || !STATUS.mayFollow(this.#status, value)) return
    const refused = (value & STATUS.FEATURES_OK) !== 0 && !this.#featuresAreGood
    const wasRunning = this.#isRunning()
    const taken = refused ? value & ~(STATUS.FEATURES_OK | STATUS.DRIVER_OK) : value
    this.#status |= taken & ~STATUS.DEVICE_NEEDS_RESET
    if (!wasRunning) for (const index of this.#queues.keys()) this.#start(index)
  }

  /** The driver says that the selected queue is ready, or is not to be used any more. */
  setReady(ready: boolean): void | Promise<void> {
    const { queue, queueSelect } = this
    if (queue === undefined || queue.ready === ready || this.#stopping) return
    if (!ready) return this.#stopReady(queueSelect, queue)
    queue.ready = true
    this.#start(queueSelect)
  }

  /** The driver has made buffers available. */
  notify(index: number): void {
    this.#active[index]?.notify()
  }

  readConfig(offset: number, data: Uint8Array): void {
    if (this.device.config === undefined) data.fill(0)
    else this.device.config.read(offset, data)
  }

  writeConfig(offset: number, data: Uint8Array): void | Promise<void> {
    return this.device.config?.write(offset, data)
  }

  /** As when it was new: at once, unless the device has chains to give back. What its disk is, or its network, it keeps. */
  reset(): void | Promise<void> {
    if (this.#resetting !== undefined) return this.#resetting
    this.#stopping = true
    const stopping = [...this.#active.keys()].flatMap((index) => this.#stop(index) ?? [])
    if (stopping.length === 0) {
      this.#finishReset()
      return
    }
    this.#resetting = Promise.all(stopping)
      .finally(() => {
        this.#resetting = undefined
      })
      .then(() => {
        this.#finishReset()
      })
    return this.#resetting
  }

  async pause(): Promise<void> {
    this.#paused = true
    const queues = this.#active.map((queue) => queue?.pause())
    await Promise.all([this.#resetting, ...queues, promised(this.device.pause?.())])
  }

  resume(): void {
    this.#paused = false
    this.device.resume?.()
    for (const queue of this.#active) queue?.resume()
  }

  async close(): Promise<void> {
    this.#stopping = true
    await Promise.all(Array.from(this.#active.keys(), async (index) => this.#stop(index)))
    await promised(this.device.close?.())
  }

  /** While the device is paused, or has not begun. */
  save(): TransportState {
    const isRunning = this.#isRunning()
    return {
      version: STATE_VERSION,
      status: this.#status,
      features: [half(this.#accepted, 0), half(this.#accepted, 1)],
      featureSelect: this.featureSelect,
      driverFeatureSelect: this.driverFeatureSelect,
      queueSelect: this.queueSelect,
      generation: this.#generation,
      // One that waits to be reset goes on nowhere.
      queues: this.#queues.map((queue, index) => queue.save(isRunning ? this.#active[index]?.save() : undefined)),
      ...(this.device.save === undefined ? {} : { device: this.device.save() }),
    }
  }

  /** Reads all of a state. What is returned takes it over, for a device that has been reset or is new: its queues go on at once. */
  read(state: TransportState): () => void {
    const { name } = this.#host
    const reader = new StateReader(name, state, STATE_VERSION)
    const status = reader.bits('status', 0xff)
    const [low = 0, high = 0] = reader.integers('features', 2, MAX_UINT32, true)
    const accepted = BigInt(low) | (BigInt(high) << HALF)
    if ((status & STATUS.FEATURES_OK) !== 0 && (accepted & ~this.#offered) !== 0n) {
      const problem = `the saved state of ${name} is wrong: its driver has accepted features that this device does not offer`
      throw new KvmError('ERR_KVM_INVALID_STATE', problem, { operands: { device: name, member: 'features' } })
    }
    const selects = ['featureSelect', 'driverFeatureSelect', 'queueSelect'] as const
    const [featureSelect = 0, driverFeatureSelect = 0, queueSelect = 0] = selects.map((each) =>
      reader.integer(each, MAX_UINT32),
    )
    const generation = reader.integer('generation', MAX_UINT32)
    const all = reader.array('queues', this.#queues.length)
    const queues = this.#queues.map((queue, index) => queue.read(name, all[index]))
    if (state.device !== undefined) this.device.restore?.(state.device)
    return () => {
      for (const index of this.#active.keys()) this.#drop(index)
      for (const { apply } of queues) apply()
      this.#status = status
      this.#accepted = accepted
      Object.assign(this, { featureSelect, driverFeatureSelect, queueSelect })
      this.#generation = generation
      for (const [index, { ring }] of queues.entries()) this.#start(index, ring)
    }
  }

  #isRunning(): boolean {
    return (this.#status & (STATUS.DRIVER_OK | STATUS.DEVICE_NEEDS_RESET)) === STATUS.DRIVER_OK
  }

  /** Nothing but what was offered; and a driver of before virtio 1.0 is none. */
  get #featuresAreGood(): boolean {
    return (this.#accepted & ~this.#offered) === 0n && (this.#accepted & F.VIRTIO_F_VERSION_1) !== 0n
  }

  #start(index: number, state?: RingState): void {
    const registers = this.#queues[index]
    if (!this.#isRunning() || registers?.ready !== true || this.#active[index] !== undefined) return
    const has = (feature: bigint) => (this.#accepted & feature) !== 0n
    try {
      const ring = new (has(F.VIRTIO_F_RING_PACKED) ? PackedRing : SplitRing)({
        memory: this.#host.memory,
        size: registers.size,
        addresses: registers.addresses,
        indirect: has(F.VIRTIO_F_INDIRECT_DESC),
        eventIndex: has(F.VIRTIO_F_EVENT_IDX),
        ...(state === undefined ? {} : { state }),
      })
      const queue = new Virtqueue(index, registers.size, ring, {
        interrupt: () => {
          if (!this.#stopping) this.#host.queueInterrupt(index)
        },
        fail: (error) => {
          this.#fail(error)
        },
      })
      if (this.#paused) void queue.pause()
      this.#active[index] = queue
      this.#host.queueStarted(index)
      this.device.startQueue(queue)
      // What was made available before the doorbell hung.
      queue.notify()
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Undefined when it had nothing to give back. */
  #stop(index: number): Promise<void> | undefined {
    const queue = this.#active[index]
    if (queue === undefined) return undefined
    const paused = queue.pause()
    const stopped = promised(this.device.stopQueue?.(queue))
    if (stopped === undefined && queue.inFlight === 0) {
      this.#drop(index)
      return undefined
    }
    return Promise.all([paused, stopped]).then(() => {
      this.#drop(index)
    })
  }

  #drop(index: number): void {
    this.#active[index]?.end()
    if (this.#active[index] !== undefined) this.#host.queueStopped(index)
    this.#active[index] = undefined
  }

  #stopReady(index: number, registers: QueueRegisters): void | Promise<void> {
    const stopping = this.#stop(index)
    if (stopping === undefined) {
      registers.ready = false
      return
    }
    return stopping.then(() => {
      registers.ready = false
    })
  }

  #finishReset(): void {
    this.#stopping = false
    this.#status = 0
    this.#accepted = 0n
    this.featureSelect = this.driverFeatureSelect = this.queueSelect = 0
    this.#generation = 0
    for (const queue of this.#queues) queue.reset()
    this.device.reset?.()
  }

  #configChanged(): void {
    this.#generation = (this.#generation + 1) >>> 0
    if (this.#isRunning() && !this.#stopping) this.#host.configInterrupt()
  }

  /** The first fault counts; the queues stop. */
  #fail(error: unknown): void {
    if ((this.#status & STATUS.DEVICE_NEEDS_RESET) !== 0 || this.#stopping) return
    const wasRunning = this.#isRunning()
    this.#status |= STATUS.DEVICE_NEEDS_RESET
    for (const queue of this.#active) queue?.end()
    if (wasRunning) this.#host.configInterrupt()
    this.#host.needsReset(error)
  }
}

function half(value: bigint, select: number): number {
  return select > 1 ? 0 : Number((value >> (BigInt(select) * HALF)) & MASK32)
}
