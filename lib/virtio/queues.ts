import { promised } from '../bus/in-order.js'
import type { Doorbell, DoorbellTarget } from '../bus/device-context.js'
import type { HostEvent } from '../bus/host-event.js'
import type { DeviceMemory } from '../memory/device-memory.js'
import * as F from './features.js'
import { PackedRing } from './packed-ring.js'
import type { QueueEvents } from './queue-server.js'
import { QueueRegisters, type QueueState } from './queue-registers.js'
import type { RingState } from './ring.js'
import { SplitRing } from './split-ring.js'
import { TurnBudget } from './turn-budget.js'
import type { VirtioDevice } from './virtio-device.js'
import { Virtqueue } from './virtqueue.js'

/** What the queues of a device have around them. */
export interface QueuesHome {
  readonly memory: DeviceMemory
  /** What the driver has accepted. */
  features(): bigint
  /** Tells the driver that a queue has given buffers back. */
  interrupt(index: number): void
  /** From now on the driver's notifications of that queue call `ring`; undefined where they come by the registers only. */
  doorbell(index: number, ring: DoorbellTarget): Doorbell | undefined
  /** From now on that event, too, tells the driver so; or none does. */
  event(index: number, event: HostEvent | undefined): void
  /** The driver has broken a rule, or the device an assumption of its own: the device cannot go on. */
  fail(error: unknown): void
}

/** A queue that the device works on. */
interface Active {
  readonly queue: Virtqueue
  doorbell: Doorbell | undefined
  /** Pending while the device gives back what it has. */
  stopping: Promise<void> | undefined
}

/** The queues of a device: what the driver has said of each, and those that are at work. */
export class Queues {
  readonly registers: readonly QueueRegisters[]
  readonly #device: VirtioDevice
  readonly #home: QueuesHome
  readonly #active: (Active | undefined)[] = []
  readonly #budget = new TurnBudget()
  #paused = false

  constructor(device: VirtioDevice, home: QueuesHome) {
    this.registers = device.queueSizes.map((size) => new QueueRegisters(size))
    this.#device = device
    this.#home = home
  }

  /** The driver has made buffers available. */
  notify(index: number): void {
    this.#active[index]?.queue.notify()
  }

  /** Puts a queue to work if the driver has said that it is ready, from `state` on. */
  start(index: number, state?: RingState): void {
    const registers = this.registers[index]
    if (registers?.ready !== true || this.#active[index] !== undefined) return
    try {
      const queue = this.#make(index, registers, state)
      if (this.#paused) void queue.pause()
      const active: Active = { queue, doorbell: undefined, stopping: undefined }
      this.#active[index] = active
      active.doorbell = this.#home.doorbell(index, () => {
        this.notify(index)
      })
      this.#device.startQueue(queue)
      // What was made available before the doorbell hung.
      queue.notify()
    } catch (error) {
      this.#home.fail(error)
    }
  }

  /** Takes a queue from the device, and it is not ready any more: at once and undefined, unless there are chains to give back. */
  stop(index: number): Promise<void> | undefined {
    const active = this.#active[index]
    const stopped = () => {
      if (this.#active[index] === active) this.drop(index)
      const registers = this.registers[index]
      if (registers !== undefined) registers.ready = false
    }
    if (active?.stopping !== undefined) return active.stopping
    const stopping = active && this.#giveBack(active)?.finally(stopped)
    if (active === undefined || stopping === undefined) stopped()
    else active.stopping = stopping
    return stopping
  }

  /** The same, and then it is as when the device was new (virtio 1.2, 2.6.1). Nobody waits: its registers say when that is over. */
  resetOne(index: number): void {
    const registers = this.registers[index]
    if (registers === undefined) return
    const stopping = this.stop(index)
    if (stopping === undefined) {
      registers.reset()
      return
    }
    registers.isResetting = true
    stopping.then(
      () => {
        registers.reset()
      },
      (error: unknown) => {
        registers.reset()
        this.#home.fail(error)
      },
    )
  }

  /** {@link stop} with all of them. */
  stopAll(): Promise<unknown> | undefined {
    const stopping = [...this.#active.keys()].flatMap((index) => this.stop(index) ?? [])
    return stopping.length === 0 ? undefined : Promise.all(stopping)
  }

  /** A queue that goes without being asked: the device has been reset, or takes over another state. */
  drop(index: number): void {
    const active = this.#active[index]
    active?.queue.end()
    active?.doorbell?.close()
    this.#active[index] = undefined
  }

  /** All of them do nothing any more, and wait to be stopped. */
  end(): void {
    for (const active of this.#active) active?.queue.end()
  }

  /** As when the device was new; after {@link stopAll}. */
  reset(): void {
    for (const registers of this.registers) registers.reset()
  }

  async pause(): Promise<void> {
    this.#paused = true
    const still = this.#active.map(async (active) => {
      await active?.queue.pause()
      await active?.stopping
    })
    await Promise.all(still)
  }

  resume(): void {
    this.#paused = false
    for (const active of this.#active) if (active?.stopping === undefined) active?.queue.resume()
  }

  /** `goOn`: whether they will; a device that waits to be reset goes on nowhere. */
  save(goOn: boolean): QueueState[] {
    return this.registers.map((each, index) => each.save(goOn ? this.#active[index]?.queue.save() : undefined))
  }

  #make(index: number, { size, addresses }: QueueRegisters, state: RingState | undefined): Virtqueue {
    const home = this.#home
    const { memory } = home
    const features = home.features()
    const has = (feature: bigint) => (features & feature) !== 0n
    const ring = new (has(F.VIRTIO_F_RING_PACKED) ? PackedRing : SplitRing)({
      ...{ memory, size, addresses },
      indirect: has(F.VIRTIO_F_INDIRECT_DESC),
      eventIndex: has(F.VIRTIO_F_EVENT_IDX),
      ...(state === undefined ? {} : { state }),
    })
    const place = { addresses, features, memory }
    return new Virtqueue(index, size, ring, place, {
      budget: this.#budget,
      interrupt: () => {
        home.interrupt(index)
      },
      fail: (error) => {
        home.fail(error)
      },
      delegated: (events) => {
        this.#redirect(index, events)
      },
    })
  }

  /** Between the driver and who serves the queue. */
  #redirect(index: number, events: QueueEvents | undefined): void {
    const active = this.#active[index]
    active?.doorbell?.close()
    if (active !== undefined) active.doorbell = events && this.#home.doorbell(index, events.kick)
    this.#home.event(index, events?.call)
  }

  /** Undefined when it had nothing to give back. */
  #giveBack({ queue }: Active): Promise<void> | undefined {
    const paused = queue.pause()
    const stopped = promised(this.#device.stopQueue?.(queue))
    if (stopped === undefined && queue.inFlight === 0) return undefined
    return Promise.all([paused, stopped]).then(() => undefined)
  }
}
