import type { Eventfd } from '../kvm/event.js'
import type { TapQueue } from '../kvm/tap.js'
import type { VhostNet } from '../kvm/vhost-net.js'
import { driverFault } from '../virtio/driver-fault.js'
import type { QueueService, ServedHome, ServedQueue } from '../virtio/queue-server.js'
import type { RingState } from '../virtio/ring.js'

/** Where in a used ring is how far the device has come. */
const USED_INDEX = 2

/** What a queue that the kernel serves has around it. */
export interface VhostQueueHost {
  readonly vhost: VhostNet
  readonly tap: TapQueue
  /** Whether the card is plugged in. */
  readonly isPlugged: () => boolean
  closed(queue: VhostQueue): void
}

/** A queue that the kernel serves. */
export class VhostQueue implements QueueService {
  readonly kick: Eventfd
  readonly call: Eventfd
  readonly home: ServedHome
  readonly #queue: ServedQueue
  readonly #host: VhostQueueHost
  readonly #error: Eventfd
  #state: RingState
  #isRunning = false
  // By its device; it runs only while the card is plugged in, too, and its memory is there.
  #isWanted = true

  constructor(queue: ServedQueue, home: ServedHome, host: VhostQueueHost) {
    this.home = home
    this.#queue = queue
    this.#host = host
    this.#state = queue.state
    const events: Eventfd[] = []
    const open = (listener?: () => void) => {
      const event = host.vhost.event(listener)
      events.push(event)
      return event
    }
    try {
      this.kick = open()
      this.call = open(() => {
        home.interrupt()
      })
      this.#error = open(() => {
        home.fail(driverFault('has made available what vhost-net cannot take', { queue: queue.index }))
      })
    } catch (error) {
      for (const event of events) event.close()
      throw error
    }
  }

  /** Returns false where it would run and its memory is not there. */
  start(): boolean {
    if (this.#isRunning || !this.#isWanted || !this.#host.isPlugged()) return true
    const { index, size, addresses } = this.#queue
    const { descriptors, driver: available, device: used } = addresses
    const { kick, call } = this
    const [base, error] = [this.#state.available, this.#error]
    const vring = { size, descriptors, available, used, base, kick, call, error }
    this.#isRunning = this.#host.vhost.start(index, vring, this.#host.tap)
    // What was made available before.
    if (this.#isRunning) kick.signal()
    return this.#isRunning
  }

  /** It stands still until {@link start}. */
  halt(): void {
    if (!this.#isRunning) return
    this.#isRunning = false
    const { index, addresses, memory } = this.#queue
    const available = this.#host.vhost.stop(index)
    this.#state = { available, used: memory.loadUint16(addresses.device + USED_INDEX) ?? available }
  }

  stop(): RingState {
    this.#isWanted = false
    this.halt()
    return this.#state
  }

  resume(): void {
    this.#isWanted = true
    this.tryStart()
  }

  /** The same as {@link start}, when nobody would hear of a refusal. */
  tryStart(): void {
    try {
      this.start()
    } catch (error) {
      this.home.fail(error)
    }
  }

  close(): void {
    this.stop()
    for (const event of [this.kick, this.call, this.#error]) event.close()
    this.#host.closed(this)
  }
}
