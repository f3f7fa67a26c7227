import { promised } from '../../bus/in-order.js'
import { Buffers } from '../buffers.js'
import type { Chain } from '../chain.js'
import { driverFault } from '../driver-fault.js'
import type { RateLimiter } from '../rate-limiter.js'
import type { Virtqueue } from '../virtqueue.js'
import type { NetBackend, SentFrame } from './backend.js'
import type { NetCard } from './card.js'
import { featuresOf, HEADER_SIZE, MAX_FRAME, MIN_FRAME, NEEDS_CSUM, readHeader } from './header.js'
import { MAC_LENGTH, macKey } from './mac-address.js'

/** The way of frames from the guest to the back end. */
export class Transmitter {
  readonly #card: NetCard
  readonly #limiter: RateLimiter
  readonly #backend: NetBackend
  readonly #source: Uint8Array | undefined

  /** `source`: the address that all frames must come from, if they must. */
  constructor(card: NetCard, limiter: RateLimiter, backend: NetBackend, source: Uint8Array | undefined) {
    this.#card = card
    this.#limiter = limiter
    this.#backend = backend
    this.#source = source
  }

  start(queue: Virtqueue, pair: number): void {
    queue.serve((chain) => this.#take(chain, queue, pair))
  }

  stop(queue: Virtqueue): void {
    this.#limiter.cancel(queue)
  }

  /** The device writes nothing into these chains. */
  #take({ readable }: Chain, queue: Virtqueue, pair: number): 0 | Promise<0> {
    const frame = this.#parse(readable, pair)
    if (frame === undefined) return 0
    const admission = this.#limiter.admit(frame.data.length, queue)
    if (admission !== undefined) return admission.then((go) => (go ? this.#send(frame) : 0))
    return this.#send(frame)
  }

  /** Undefined for a frame that is not sent: the network loses frames, and the driver goes on. */
  #parse(readable: Buffers, queue: number): SentFrame | undefined {
    if (readable.length < HEADER_SIZE) {
      throw driverFault('has sent a frame that is shorter than its header', { length: readable.length })
    }
    const { features, statistics, link } = this.#card
    const given = readHeader(readable.copy(0, HEADER_SIZE))
    const header = { ...given, flags: given.flags & NEEDS_CSUM }
    const length = readable.length - HEADER_SIZE
    const needed = featuresOf(header, length, 'send')
    if (length < MIN_FRAME || length > MAX_FRAME || needed === undefined || (needed & ~features) !== 0n) {
      statistics.malformed++
      return undefined
    }
    // What is looked at, here and in back ends, is a copy.
    const ethernet = readable.copy(HEADER_SIZE, HEADER_SIZE + MIN_FRAME)
    if (this.#source !== undefined && macKey(ethernet, MAC_LENGTH) !== macKey(this.#source, 0)) {
      statistics.spoofed++
      return undefined
    }
    if (!link) {
      statistics.sentDown++
      return undefined
    }
    const data = new Buffers([ethernet, ...readable.slice(HEADER_SIZE + MIN_FRAME).pieces])
    return { data, header, queue }
  }

  #send(frame: SentFrame): 0 | Promise<0> {
    const { statistics } = this.#card
    const count = () => {
      statistics.sentFrames++
      statistics.sentBytes += frame.data.length
      return 0 as const
    }
    const sending = promised(this.#backend.send(frame))
    return sending === undefined ? count() : sending.then(count)
  }
}
