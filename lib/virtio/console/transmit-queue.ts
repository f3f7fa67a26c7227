import { promised } from '../../bus/in-order.js'
import type { Chain } from '../chain.js'
import type { Virtqueue } from '../virtqueue.js'
import type { ConsolePortStatistics } from './statistics.js'

/** Where a port's output goes. */
export interface TransmitHome {
  readonly statistics: ConsolePortStatistics
  /** Undefined when there is nobody who takes it. */
  output(): ((bytes: Uint8Array) => unknown) | undefined
  fail: (error: unknown) => void
}

/** As much as Linux sends at once for a program. */
const PIECE = 32 * 1024
/** How much is put out before others on the event loop get their turn. */
const PIECES_PER_TURN = 64

/** The way of a port's bytes out of the guest, a piece at a time: a chain is held until all of it has been taken. */
export class TransmitQueue {
  readonly #home: TransmitHome
  #queue: Virtqueue | undefined
  #chain: Chain | undefined
  /** How much of the chain has been put out. */
  #done = 0
  // A piece is on its way; also after its chain has been given back.
  #pending = false
  #left = PIECES_PER_TURN
  #turn: NodeJS.Immediate | undefined

  constructor(home: TransmitHome) {
    this.#home = home
  }

  start(queue: Virtqueue): void {
    this.#queue = queue
    queue.onAvailable(() => {
      this.#newTurn()
    })
  }

  stop(): void {
    this.giveBack()
    this.#queue = undefined
  }

  /** Gives back the chain that is held. What of it has not been put out, of a chain of more than a piece, is lost. */
  giveBack(): void {
    clearImmediate(this.#turn)
    this.#turn = undefined
    const chain = this.#chain
    if (chain === undefined) return
    this.#home.statistics.lost += chain.readable.length - this.#done
    this.#finish(chain)
  }

  #work(): void {
    while (!this.#pending) {
      if (this.#left === 0) {
        this.#turn ??= setImmediate(() => {
          this.#newTurn()
        })
        return
      }
      this.#chain ??= this.#queue?.pop()
      if (this.#chain === undefined) return
      this.#left--
      this.#putOut(this.#chain)
    }
  }

  #newTurn(): void {
    clearImmediate(this.#turn)
    this.#turn = undefined
    this.#left = PIECES_PER_TURN
    this.#work()
  }

  #putOut(chain: Chain): void {
    const bytes = chain.readable.copy(this.#done, this.#done + PIECE)
    this.#done += bytes.length
    const taken = this.#offer(bytes)
    if (taken === undefined) {
      this.#finishIfDone(chain)
      return
    }
    this.#pending = true
    void taken.then(() => {
      this.#pending = false
      this.#finishIfDone(chain)
      this.#work()
    })
  }

  /** Undefined when it is done with. The promise does not reject. */
  #offer(bytes: Uint8Array): Promise<void> | undefined {
    const { statistics, fail } = this.#home
    const output = this.#home.output()
    const count = () => {
      statistics.sent += bytes.length
    }
    const refuse = (error: unknown) => {
      statistics.lost += bytes.length
      fail(error)
    }
    if (output === undefined) {
      statistics.lost += bytes.length
      return undefined
    }
    try {
      const pending = bytes.length === 0 ? undefined : promised(output(bytes))
      if (pending !== undefined) return pending.then(count, refuse)
      count()
    } catch (error) {
      refuse(error)
    }
    return undefined
  }

  /** Unless it has been given back meanwhile. */
  #finishIfDone(chain: Chain): void {
    if (this.#chain === chain && this.#done === chain.readable.length) this.#finish(chain)
  }

  #finish(chain: Chain): void {
    this.#chain = undefined
    this.#done = 0
    this.#queue?.push(chain, 0)
  }
}
