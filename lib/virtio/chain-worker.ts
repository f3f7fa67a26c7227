import { promised } from '../bus/in-order.js'
import { invalidArgument } from '../validate.js'
import type { Chain } from './chain.js'
import type { TurnBudget } from './turn-budget.js'

/**
 * What executes a chain: it returns how many bytes it has written into it, at once or by and by. In which order chains are done
 * is all the same.
 */
export type ChainHandler = (chain: Chain) => number | Promise<number>

/** What a worker has of its queue. */
export interface WorkerHome {
  /** What all queues of the device do in a turn of the event loop. */
  readonly budget: TurnBudget
  readonly queue: { pop(): Chain | undefined; push(chain: Chain, written: number): void }
  fail(error: unknown): void
}

/** How many chains are begun before others on the event loop get their turn. */
const CHAINS_PER_TURN = 64

/** Has a queue's chains executed, and gives each of them back once. */
export class ChainWorker {
  readonly #handler: ChainHandler
  readonly #home: WorkerHome
  #isWorking = false

  constructor(handler: ChainHandler, home: WorkerHome) {
    this.#handler = handler
    this.#home = home
  }

  /** Chains are being begun. */
  get isWorking(): boolean {
    return this.#isWorking
  }

  /** Begins what is available, as much as may be in one turn. Returns whether that is all. */
  work(): boolean {
    const { budget, queue } = this.#home
    this.#isWorking = true
    try {
      for (let left = CHAINS_PER_TURN; left > 0 && !budget.isSpent; left--) {
        const chain = queue.pop()
        if (chain === undefined) return true
        budget.spend(chain.readable.length + chain.writable.length)
        this.#begin(chain)
      }
      return false
    } finally {
      this.#isWorking = false
    }
  }

  #begin(chain: Chain): void {
    let written: unknown
    try {
      written = this.#handler(chain)
    } catch (error) {
      this.#drop(chain, error)
      return
    }
    const pending = promised(written) as Promise<unknown> | undefined
    if (pending === undefined) this.#finish(chain, written)
    else {
      pending.then(
        (count: unknown) => {
          this.#finish(chain, count)
        },
        (error: unknown) => {
          this.#drop(chain, error)
        },
      )
    }
  }

  #finish(chain: Chain, written: unknown): void {
    if (Number.isSafeInteger(written) && Number(written) >= 0) this.#home.queue.push(chain, Number(written))
    else
      this.#drop(chain, invalidArgument('what a handler of chains returns', written, 'how many bytes it has written'))
  }

  /** A chain that could not be executed. */
  #drop(chain: Chain, error: unknown): void {
    this.#home.fail(error)
    this.#home.queue.push(chain, 0)
  }
}
