import type { HostEvent } from '../bus/host-event.js'
import type { DeviceMemory } from '../memory/device-memory.js'
import type { QueueAddresses, RingState } from './ring.js'

/** A queue, as somebody is asked to serve it. It is a split one, and its parts were in memory when it was looked at. */
export interface ServedQueue {
  readonly index: number
  /** How many descriptors it has. */
  readonly size: number
  readonly addresses: QueueAddresses
  /** All that the driver has accepted. */
  readonly features: bigint
  /** In which it is. Where that can change, the server watches it. */
  readonly memory: DeviceMemory
  /** Where it goes on. */
  readonly state: RingState
}

/** What the server has of the device. */
export interface ServedHome {
  /** Of what {@link QueueEvents.call} tells nobody else: the driver is to look at what has been given back. */
  interrupt(): void
  /** The driver has broken a rule, or the host has failed. */
  fail(error: unknown): void
}

/** How the sides call each other past JavaScript. */
export interface QueueEvents {
  /** The driver has made buffers available. */
  readonly kick: HostEvent
  /** The driver is to look at what has been given back. */
  readonly call: HostEvent
}

/** A queue that is being served. */
export interface QueueService extends QueueEvents {
  /** The server touches neither the queue nor its buffers any more. Returns where it stands. Stopping again does nothing. */
  stop(): RingState
  /** It goes on where it stands. */
  resume(): void
  /** It has been stopped, and does not go on. */
  close(): void
}

/** Who serves queues in place of JavaScript: the kernel. */
export interface QueueServer {
  /** Of the features of queues, and of the device's kind, those with which it can: others are not offered. */
  readonly features: bigint
  /** Throws when it cannot. */
  serve(queue: ServedQueue, home: ServedHome): QueueService
}
