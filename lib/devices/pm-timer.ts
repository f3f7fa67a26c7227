import type { CounterStart } from '../bus/cells.js'
import { type Clock, NS_PER_SECOND } from '../bus/clock.js'
import { PM_TIMER_HZ } from './acpi-pm-registers.js'

/** The power management timer: counts up at 3.579545 MHz and wraps (ACPI specification 6.5, section 4.8.3.3). */
export class PmTimer {
  readonly #clock: Clock
  readonly #bits: bigint
  #epoch: bigint
  #base = 0n

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
    this.#epoch = this.#clock.now()
  }

  /** How it has counted since its last start on the host's monotonic clock, if its own goes as that does. */
  get start(): CounterStart | undefined {
    const { ahead } = this.#clock
    if (ahead === undefined) return undefined
    const epoch = this.#epoch - ahead
    return { frequency: Number(PM_TIMER_HZ), bits: Number(this.#bits), value: this.#base, epoch }
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

  get #ticks(): bigint {
    const elapsed = this.#clock.now() - this.#epoch
    return this.#base + ((elapsed < 0n ? 0n : elapsed) * PM_TIMER_HZ) / NS_PER_SECOND
  }
}
