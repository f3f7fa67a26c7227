import type { CounterStart } from '../bus/cells.js'
import { type Clock, monotonicClock, NS_PER_SECOND } from '../bus/clock.js'
import { PM_TIMER_HZ } from './acpi-pm-registers.js'

/** The power management timer: counts up at 3.579545 MHz and wraps (ACPI specification 6.5, section 4.8.3.3). */
export class PmTimer {
  readonly #clock: Clock
  readonly #bits: bigint
  #epoch: bigint
  #base = 0n
  // When it was paused.
  #held: bigint | undefined

  constructor(clock: Clock, bits: 24 | 32) {
    this.#clock = clock
    this.#bits = BigInt(bits)
    this.#epoch = clock.now()
  }

  get value(): number {
    return Number(BigInt.asUintN(Number(this.#bits), this.#ticks))
  }

  set value(value: number) {
    this.#base = BigInt(value)
    this.#epoch = this.#now
  }

  get paused(): boolean {
    return this.#held !== undefined
  }

  /** It stands still until {@link resume}. */
  pause(): void {
    this.#held ??= this.#clock.now()
  }

  /** It counts on from where it stood. */
  resume(): void {
    if (this.#held === undefined) return
    this.#epoch += this.#clock.now() - this.#held
    this.#held = undefined
  }

  /** How it has counted since its last start. */
  get start(): CounterStart {
    return { frequency: Number(PM_TIMER_HZ), bits: Number(this.#bits), value: this.#base, epoch: this.#epoch }
  }

  /** Whether it counts on the host's monotonic clock. */
  get monotonic(): boolean {
    return this.#clock === monotonicClock
  }

  /** How often the highest bit has changed since the timer's last start. */
  get halfTurns(): bigint {
    return this.#ticks >> (this.#bits - 1n)
  }

  /** Nanoseconds until it changes next. */
  get untilHalfTurn(): bigint {
    const half = 1n << (this.#bits - 1n)
    return ((half - (this.#ticks % half)) * NS_PER_SECOND) / PM_TIMER_HZ + 1n
  }

  get #now(): bigint {
    return this.#held ?? this.#clock.now()
  }

  get #ticks(): bigint {
    const elapsed = this.#now - this.#epoch
    return this.#base + ((elapsed < 0n ? 0n : elapsed) * PM_TIMER_HZ) / NS_PER_SECOND
  }
}
