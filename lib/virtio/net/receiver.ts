import type { RateLimiter } from '../rate-limiter.js'
import type { Virtqueue } from '../virtqueue.js'
import type { NetCard } from './card.js'
import { VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_MRG_RXBUF } from './features.js'
import {
  COMPLETE,
  DATA_VALID,
  featuresOf,
  HEADER_SIZE,
  MAX_FRAME,
  MIN_FRAME,
  NEEDS_CSUM,
  type NetHeader,
} from './header.js'
import { macKey } from './mac-address.js'
import { ReceiveQueue } from './receive-queue.js'

export interface ReceiverHome {
  /** There is room again. */
  resume(): void
  fail(error: unknown): void
}

/** The way of frames from the back end to the guest. */
export class Receiver {
  /** How many of the queues the driver looks at. */
  pairs = 1
  readonly #card: NetCard
  readonly #limiter: RateLimiter
  readonly #home: ReceiverHome
  readonly #queues: (ReceiveQueue | undefined)[] = []
  // Whether the next frame has leave to pass the limiter, or waits for it.
  #leave: 'none' | 'asked' | 'given' = 'none'

  constructor(card: NetCard, limiter: RateLimiter, home: ReceiverHome) {
    this.#card = card
    this.#limiter = limiter
    this.#home = home
  }

  start(queue: Virtqueue, pair: number): void {
    this.#queues[pair] = new ReceiveQueue(queue, this.#card.has(VIRTIO_NET_F_MRG_RXBUF))
    queue.onAvailable(() => {
      this.#resume()
    })
  }

  stop(pair: number): void {
    this.#queues[pair]?.giveBack()
    this.#queues[pair] = undefined
    // What waits for this queue goes elsewhere, or nowhere.
    this.#resume()
  }

  pause(): void {
    for (const queue of this.#queues) queue?.giveBack()
  }

  /** As {@link NetPort.receive}. */
  receive(frame: Uint8Array, header: NetHeader = COMPLETE, preferred = 0): boolean {
    const { features, statistics, filter, link, mac } = this.#card
    const needed = featuresOf(header, frame.length, 'receive')
    const isFrame = frame.length >= MIN_FRAME && frame.length <= MAX_FRAME
    if (!isFrame || needed === undefined || (needed & ~features) !== 0n) {
      statistics.unfit++
      return true
    }
    const queue = this.#queues[preferred % this.pairs] ?? this.#queues[0]
    if (queue === undefined || !link) {
      statistics.unwanted++
      return true
    }
    if (!filter.accepts(frame, macKey(mac, 0))) {
      statistics.filtered++
      return true
    }
    const room = this.#roomIn(queue, HEADER_SIZE + frame.length)
    if (room === 'not yet' || (room === 'enough' && !this.#mayPass(frame.length))) return false
    if (room === 'never') {
      statistics.unfit++
      return true
    }
    const flags = header.flags & (NEEDS_CSUM | (this.#card.has(VIRTIO_NET_F_GUEST_CSUM) ? DATA_VALID : 0))
    statistics.receivedFrames++
    statistics.receivedBytes += frame.length
    queue.fill(frame, { ...header, flags })
    return true
  }

  /** What a back end throws then stops its card, as what it throws when it sends. */
  #resume(): void {
    try {
      this.#home.resume()
    } catch (error) {
      this.#home.fail(error)
    }
  }

  #roomIn(queue: ReceiveQueue, length: number): 'enough' | 'not yet' | 'never' {
    try {
      return queue.roomFor(length)
    } catch (error) {
      this.#home.fail(error)
      return 'never'
    }
  }

  #mayPass(length: number): boolean {
    if (this.#leave === 'none') {
      const admission = this.#limiter.admit(length, this)
      if (admission === undefined) return true
      this.#leave = 'asked'
      void admission.then(() => {
        this.#leave = 'given'
        this.#resume()
      })
    }
    if (this.#leave === 'asked') return false
    this.#leave = 'none'
    return true
  }
}
