import type { DeviceMemory } from '../memory/device-memory.js'
import type { Chain } from './chain.js'

/** Where the three parts of a queue are, guest physical addresses (virtio 1.2, 2.6). */
export interface QueueAddresses {
  /** The descriptor area. */
  descriptors: number
  /** The driver area: the available ring of a split queue, the driver's event suppression of a packed one. */
  driver: number
  /** The device area: the used ring, or the device's event suppression. */
  device: number
}

/** How far a queue has come: what it cannot find in the guest's memory. A packed ring's wrap counter is bit 15. */
export interface RingState {
  available: number
  used: number
}

/** What a ring is made of, agreed with the driver. */
export interface RingOptions {
  memory: DeviceMemory
  /** How many descriptors it has. */
  size: number
  addresses: QueueAddresses
  /** VIRTIO_F_INDIRECT_DESC. */
  indirect: boolean
  /** VIRTIO_F_EVENT_IDX. */
  eventIndex: boolean
  /** Where it goes on. Default: at its beginning. */
  state?: RingState
}

/** A chain that is given back, and how many bytes the device has written into it. */
export type Done = readonly [chain: Chain, written: number]

/**
 * The device's end of a queue in guest memory. What the driver has no right to do throws `ERR_KVM_VIRTIO_DRIVER`; nobody asks
 * the ring again then.
 */
export interface Ring {
  /** The next chain; undefined when the driver has made no more available. */
  pop(): Chain | undefined
  /** Gives a chain back, into which the device has written that many bytes. */
  push(chain: Chain, written: number): void
  /** Gives back several, of which the driver sees all or none. */
  pushAll(done: readonly Done[]): void
  /** Whether the driver wants to hear of what has been given back since this was asked last. */
  interruptWanted(): boolean
  /** The driver need not say when it makes chains available. */
  disableNotifications(): void
  /** The driver is to say so again. Returns whether it has done it already, and will perhaps not say so. */
  enableNotifications(): boolean
  save(): RingState
}

/** Whether a ring that was at `before` and is at `now` has passed `event`, modulo 2^16 (virtio 1.2, 2.7.10). */
export function hasPassed(event: number, now: number, before: number): boolean {
  return ((now - event - 1) & 0xffff) < ((now - before) & 0xffff)
}
