import { setImmediate } from 'node:timers/promises'

/** With nothing to wait for, that many take a few milliseconds at most. */
const STEPS_PER_TURN = 256

/** Many small steps that are all taken at once would keep the event loop to themselves: before each, {@link step} is awaited. */
export class Pace {
  #left = STEPS_PER_TURN
  #turn: Promise<void> | undefined

  /** Whoever takes them: requests share the steps of a turn. */
  step(): Promise<void> | undefined {
    if (this.#left > 0) {
      this.#left--
      return undefined
    }
    this.#turn ??= this.#nextTurn()
    return this.#turn
  }

  async #nextTurn(): Promise<void> {
    await setImmediate()
    this.#left = STEPS_PER_TURN
    this.#turn = undefined
  }
}
