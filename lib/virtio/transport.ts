import { promised } from '../bus/in-order.js'
import type { DeviceContext, Doorbell, DoorbellTarget } from '../bus/device-context.js'
import type { HostEvent } from '../bus/host-event.js'
import { VIRTIO_F_RING_RESET } from './features.js'
import { isDriverFault } from './driver-fault.js'
import { half, Negotiation } from './negotiation.js'
import type { QueueRegisters } from './queue-registers.js'
import { Queues } from './queues.js'
import type { RingState } from './ring.js'
import { readTransportState, STATE_VERSION, type TransportState } from './transport-state.js'
import type { VirtioDevice } from './virtio-device.js'

/** What of a machine every transport needs. */
export type TransportContext = Pick<DeviceContext, 'name' | 'memory' | 'clock' | 'schedule' | 'effects'>

/** How a transport reaches the driver. */
export interface TransportSignals {
  /** Tells the driver that a queue has given buffers back. */
  queueInterrupt(index: number): void
  /** Tells the driver that the configuration, or the status, has changed. */
  configInterrupt(): void
  /** Hangs the doorbell of a queue; undefined where there is none. */
  doorbell(index: number, ring: DoorbellTarget): Doorbell | undefined
  /**
   * From now on that event, too, tells the driver what {@link queueInterrupt} does, where the host can see to that by itself; or none
   * does any more. Who makes the event calls {@link queueInterrupt} where it cannot.
   */
  queueEvent?(index: number, event: HostEvent | undefined): void
}

/**
 * What every transport does in the same way (virtio 1.2, chapters 2 and 3): status, features, the device's life. A transport of its
 * own is what lies around it: where the registers are, and how the sides call each other.
 */
export class Transport {
  readonly device: VirtioDevice
  readonly agreed: Negotiation
  readonly #context: TransportContext
  readonly #signals: TransportSignals
  readonly #queues: Queues
  #generation = 0
  // Its queues give back what they have, for a reset or for good: no interrupt says so, and what cannot be given back is no fault.
  #stopping = false
  #resetting: Promise<void> | undefined
  /** Which queue the queue registers are of. */
  queueSelect = 0

  constructor(device: VirtioDevice, context: TransportContext, signals: TransportSignals) {
    this.device = device
    this.#context = context
    this.#signals = signals
    const agreed = (this.agreed = new Negotiation(device.features, device.queueFeatures))
    const fail = (error: unknown) => {
      this.#fail(error)
    }
    this.#queues = new Queues(device, {
      memory: context.memory,
      features: () => agreed.accepted,
      interrupt: (index) => {
        if (!this.#stopping) signals.queueInterrupt(index)
      },
      doorbell: (index, ring) => signals.doorbell(index, ring),
      event: (index, event) => signals.queueEvent?.(index, event),
      fail,
    })
    const { name, clock, schedule } = context
    device.attach?.({
      ...{ name, clock, schedule },
      get features() {
        return agreed.accepted
      },
      configChanged: () => {
        this.#configChanged()
      },
      needsReset: fail,
    })
  }

  /** Changes when the configuration space does. */
  get generation(): number {
    return this.#generation
  }

  /** The registers of the selected queue, if there is such a queue. */
  get queue(): QueueRegisters | undefined {
    return this.#queues.registers[this.queueSelect]
  }

  get queueCount(): number {
    return this.#queues.registers.length
  }

  /** The driver writes another status than 0; what it may not write changes nothing. */
  setStatus(value: number): void {
    if (this.#stopping) return
    const wasRunning = this.agreed.isRunning
    this.agreed.advance(value)
    if (!wasRunning) for (const index of this.#queues.registers.keys()) this.#start(index)
  }

  /** The driver says that the selected queue is ready, or is not to be used any more. */
  setReady(ready: boolean): void | Promise<void> {
    const { queue, queueSelect } = this
    if (queue === undefined || queue.ready === ready || this.#stopping) return
    if (!ready) return this.#queues.stop(queueSelect)
    queue.ready = true
    this.#start(queueSelect)
  }

  /** The driver takes the selected queue back to use it anew, where that has been agreed. */
  resetQueue(): void {
    if (!this.#stopping && this.agreed.has(VIRTIO_F_RING_RESET)) this.#queues.resetOne(this.queueSelect)
  }

  /** The driver has made buffers available. */
  notify(index: number): void {
    this.#queues.notify(index)
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
    const stopping = this.#queues.stopAll()
    if (stopping === undefined) {
      this.#finishReset()
      return
    }
    this.#resetting = stopping
      .finally(() => {
        this.#resetting = undefined
      })
      .then(() => {
        this.#finishReset()
      })
    return this.#resetting
  }

  async pause(): Promise<void> {
    const queues = this.#queues.pause()
    await Promise.all([this.#resetting, queues, promised(this.device.pause?.())])
  }

  resume(): void {
    this.device.resume?.()
    this.#queues.resume()
  }

  async letGo(): Promise<void> {
    await promised(this.device.letGo?.())
  }

  async takeBack(): Promise<void> {
    await promised(this.device.takeBack?.())
  }

  async close(): Promise<void> {
    this.#stopping = true
    await this.#queues.stopAll()
    await promised(this.device.close?.())
  }

  /** While the device is paused, or has not begun. */
  save(): TransportState {
    const { status, accepted, deviceSelect, driverSelect, isRunning } = this.agreed
    return {
      ...{ version: STATE_VERSION, status, features: [half(accepted, 0), half(accepted, 1)] },
      ...{ featureSelect: deviceSelect, driverFeatureSelect: driverSelect, queueSelect: this.queueSelect },
      generation: this.#generation,
      queues: this.#queues.save(isRunning),
      ...(this.device.save === undefined ? {} : { device: this.device.save() }),
    }
  }

  /** Reads all of a state. What is returned takes it over, for a device that has been reset or is new: its queues go on at once. */
  read(state: TransportState): () => void {
    const { agreed } = this
    const read = readTransportState(this.#context.name, state, this.#queues.registers, agreed.offered)
    if (state.device !== undefined) this.device.restore?.(state.device)
    return () => {
      for (const index of read.queues.keys()) this.#queues.drop(index)
      for (const { apply } of read.queues) apply()
      const { status, accepted, featureSelect: deviceSelect, driverFeatureSelect: driverSelect } = read
      Object.assign(agreed, { status, accepted, deviceSelect, driverSelect })
      this.queueSelect = read.queueSelect
      this.#generation = read.generation
      for (const [index, { ring }] of read.queues.entries()) this.#start(index, ring)
    }
  }

  #start(index: number, state?: RingState): void {
    if (this.agreed.isRunning) this.#queues.start(index, state)
  }

  #finishReset(): void {
    this.#stopping = false
    this.agreed.reset()
    this.queueSelect = 0
    this.#generation = 0
    this.#queues.reset()
    this.device.reset?.()
  }

  #configChanged(): void {
    this.#generation = (this.#generation + 1) >>> 0
    if (this.agreed.isRunning && !this.#stopping) this.#signals.configInterrupt()
  }

  /** The first fault counts; the queues stop. */
  #fail(error: unknown): void {
    const { agreed } = this
    if (agreed.needsReset) return
    if (this.#stopping) {
      // There is nothing to reset, and what a driver did before is over. A failure of this side is told all the same.
      if (!isDriverFault(error)) this.#tell(error)
      return
    }
    const wasRunning = agreed.isRunning
    agreed.fail()
    this.#queues.end()
    if (wasRunning) this.#signals.configInterrupt()
    this.#tell(error)
  }

  #tell(error: unknown): void {
    this.#context.effects.needsReset(this.#context.name, error)
  }
}
