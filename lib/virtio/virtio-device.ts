import type { Device } from '../bus/device.js'
import type { DeviceContext } from '../bus/device-context.js'
import type { Registers } from '../bus/registers.js'
import type { Virtqueue } from './virtqueue.js'

/** What a transport has for its device. */
export interface VirtioHost extends Pick<DeviceContext, 'name' | 'clock' | 'schedule'> {
  /** The features that the driver has accepted: settled when the first queue starts, until the next reset. */
  readonly features: bigint
  /** The configuration space has changed: the driver is told. */
  configChanged(): void
  /**
   * The device cannot go on until the driver has reset it: it asks for that (DEVICE_NEEDS_RESET, virtio 1.2, 2.1.2). `error` is
   * for who watches the machine. For what the driver does wrong, throw `driverFault()` from the handler of its chain.
   */
  needsReset(error: unknown): void
}

/**
 * A virtio device, whatever transport brings it to the guest (virtio 1.2, chapter 2). The transport speaks with the driver: it
 * negotiates features, owns the queues' registers and keeps their state. The device takes chains off its queues.
 */
export interface VirtioDevice extends Pick<Device, 'restore' | 'pause' | 'resume' | 'letGo' | 'takeBack' | 'close'> {
  /** Which kind of device it is (virtio 1.2, chapter 5): 2 is a block device. */
  readonly id: number
  /** The features that it offers, of its kind: bits 0 to 23 and 50 to 127. */
  readonly features: bigint
  /** Of the features that queues have (virtio 1.2, chapter 6), those that its own can do. Default: all that there are. */
  readonly queueFeatures?: bigint
  /** How many descriptors each of its queues may have: powers of two up to 32768. */
  readonly queueSizes: readonly number[]
  /** Its configuration space. Default: it has none. */
  readonly config?: Registers
  /** Called once, before everything else. */
  attach?(host: VirtioHost): void
  /** The driver is ready, and the queue may be used: also the second time, after a {@link stopQueue}. */
  startQueue(queue: Virtqueue): void
  /**
   * The queue is about to go, and may come back as another one while the others work on. The device gives back every chain that it
   * holds, and uses the queue no more once the promise has resolved.
   */
  stopQueue?(queue: Virtqueue): void | Promise<void>
  /** The driver, or the machine, has reset the device: its queues have been stopped. */
  reset?(): void
  /** What it knows beyond its queues and its configuration's origin. */
  save?(): object
}
