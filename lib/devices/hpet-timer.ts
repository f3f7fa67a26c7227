import * as R from './hpet-registers.js'
import type { StateReader } from '../state.js'
import { readWords, words } from './hpet-words.js'

export interface HpetTimerState {
  configuration: number
  /** Lower half, upper half. */
  comparator: number[]
  period: number[]
}

const ALL_ONES = 0xffff_ffff_ffff_ffffn

/** One comparator of an HPET (specification, 2.3.8): it knows the main counter's values, and no time. */
export class HpetTimer {
  /** Lines to which it may be routed, a bit each. */
  readonly #routes: number
  #configuration = 0
  #comparator = ALL_ONES
  #period = 0n

  constructor(routes: number) {
    this.#routes = routes
  }

  get configuration(): bigint {
    return (BigInt(this.#routes) << 32n) | BigInt(this.#configuration | R.T_CAPABILITIES)
  }

  set configuration(value: bigint) {
    const wanted = Number(value & BigInt(R.T_KEPT))
    const route = (wanted & R.T_ROUTE) >> R.T_ROUTE_SHIFT
    // "If the value is not supported by this platform, then the value read back will not match what was written."
    const isRoute = ((this.#routes >>> route) & 1) !== 0
    this.#configuration = isRoute ? wanted : (wanted & ~R.T_ROUTE) | (this.#configuration & R.T_ROUTE)
    // Where it became narrower, it forgets the upper halves.
    this.#comparator = this.#fit(this.#comparator)
    this.#period = this.#fit(this.#period)
  }

  get comparator(): bigint {
    return this.#comparator
  }

  set comparator(value: bigint) {
    const fitting = this.#fit(value)
    if (!this.#has(R.T_PERIODIC) || this.#has(R.T_SETS_VALUE)) this.#comparator = fitting
    if (this.#has(R.T_PERIODIC)) this.#period = fitting
    this.#configuration &= ~R.T_SETS_VALUE
  }

  get isLevel(): boolean {
    return this.#has(R.T_LEVEL)
  }

  get interrupts(): boolean {
    return this.#has(R.T_INTERRUPTS)
  }

  get route(): number {
    return (this.#configuration & R.T_ROUTE) >> R.T_ROUTE_SHIFT
  }

  /** How many ticks after `counter` the next match is: one at least. */
  ticksTo(counter: bigint): bigint {
    return this.#fit(this.#comparator - counter - 1n) + 1n
  }

  /** The main counter has gone from `before` to `now`. Returns whether they matched on the way; a periodic one goes on. */
  pass(before: bigint, now: bigint): boolean {
    const passed = now - before
    const first = this.ticksTo(before)
    if (passed < first) return false
    if (this.#has(R.T_PERIODIC) && this.#period > 0n) {
      const rounds = (passed - first) / this.#period + 1n
      this.#comparator = this.#fit(this.#comparator + rounds * this.#period)
    }
    return true
  }

  reset(): void {
    this.#configuration = 0
    this.#comparator = ALL_ONES
    this.#period = 0n
  }

  save(): HpetTimerState {
    return {
      configuration: this.#configuration,
      comparator: words(this.#comparator),
      period: words(this.#period),
    }
  }

  /** Reads a state without taking it over; the function returned does that. */
  read(reader: StateReader): () => void {
    const configuration = reader.bits('configuration', R.T_KEPT)
    const comparator = readWords(reader, 'comparator')
    const period = readWords(reader, 'period')
    return () => {
      this.#configuration = configuration
      this.#comparator = this.#fit(comparator)
      this.#period = this.#fit(period)
    }
  }

  #has(bit: number): boolean {
    return (this.#configuration & bit) !== 0
  }

  #fit(value: bigint): bigint {
    return BigInt.asUintN(this.#has(R.T_32_BITS) ? 32 : 64, value)
  }
}
