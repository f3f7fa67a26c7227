import type { Chain } from '../chain.js'
import { driverFault } from '../driver-fault.js'
import type { Virtqueue } from '../virtqueue.js'

/** A queue of buffers that the guest receives into. None is held: what does not go in stays where it comes from. */
export class ReceiveQueue {
  readonly #fail: (error: unknown) => void
  readonly #onRoom: () => void
  #queue: Virtqueue | undefined

  constructor(home: { fail: (error: unknown) => void; onRoom: () => void }) {
    this.#fail = home.fail
    this.#onRoom = home.onRoom
  }

  start(queue: Virtqueue): void {
    this.#queue = queue
    queue.onAvailable(this.#onRoom)
  }

  stop(): void {
    this.#queue = undefined
  }

  /** Returns how many bytes the guest has had room for. */
  write(bytes: Uint8Array): number {
    const filled: [Chain, number][] = []
    let done = 0
    let isGood = true
    while (isGood && done < bytes.length) {
      const chain = this.#queue?.pop()
      if (chain === undefined) break
      const written = chain.writable.set(bytes.subarray(done))
      filled.push([chain, written])
      done += written
      isGood = written > 0
    }
    if (filled.length > 0) this.#queue?.pushAll(filled)
    // There could be such buffers without end.
    if (!isGood) this.#fail(driverFault('has put a receive buffer without room'))
    return done
  }
}
