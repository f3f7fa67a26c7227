import type { Chain } from '../chain.js'
import { driverFault } from '../driver-fault.js'
import type { Virtqueue } from '../virtqueue.js'
import { HEADER_SIZE, type NetHeader, writeHeader } from './header.js'

/** A queue of buffers that the guest receives into. */
export class ReceiveQueue {
  readonly queue: Virtqueue
  readonly #mergeable: boolean
  /** Taken off the queue, and not filled yet: they go first. */
  #held: Chain[] = []
  #room = 0

  /** `mergeable`: a frame may be spread over several buffers. */
  constructor(queue: Virtqueue, mergeable: boolean) {
    this.queue = queue
    this.#mergeable = mergeable
  }

  /** How much can be received at once, of a frame with its header of that many bytes. */
  roomFor(length: number): 'enough' | 'not yet' | 'never' {
    while (this.#room < length && (this.#mergeable || this.#held.length === 0)) {
      const chain = this.queue.pop()
      // All that the driver can give it has given.
      if (chain === undefined) return this.#held.length >= this.queue.size ? 'never' : 'not yet'
      this.#held.push(chain)
      this.#room += chain.writable.length
      if (chain.writable.length < HEADER_SIZE) {
        throw driverFault('has put a receive buffer of less than a header', { length: chain.writable.length })
      }
    }
    return this.#room >= length ? 'enough' : 'never'
  }

  /** After {@link roomFor} has found enough. */
  fill(frame: Uint8Array, header: NetHeader): void {
    const total = HEADER_SIZE + frame.length
    const filled: [Chain, number][] = []
    for (let done = 0; done < total;) {
      const chain = this.#held.shift() as Chain
      const written = Math.min(chain.writable.length, total - done)
      const start = done === 0 ? HEADER_SIZE : 0
      chain.writable.set(frame.subarray(done + start - HEADER_SIZE, done + written - HEADER_SIZE), start)
      this.#room -= chain.writable.length
      filled.push([chain, written])
      done += written
    }
    filled[0]?.[0].writable.set(writeHeader(header, filled.length))
    this.queue.pushAll(filled)
  }

  /** Gives back what is held: to a driver that takes back its buffers, or that may find a frame of no bytes among them. */
  giveBack(): void {
    const held = this.#held.splice(0)
    this.#room = 0
    if (held.length > 0) this.queue.pushAll(held.map((chain) => [chain, 0]))
  }
}
