import { type Clock, eventLoopSchedule, monotonicClock, type Schedule } from '../bus/clock.js'
import { checkInteger, checkOptions } from '../validate.js'

/** How much may come. */
export interface Rate {
  /** On average. */
  perSecond: number
  /** How much may come at once after a rest. Default: what comes in a tenth of a second, and 1 at least. */
  burst?: number
}

/** What a guest may ask of a device. What is left out has no limit; a number is a {@link Rate} without a burst of its own. */
export interface RateLimits {
  bytes?: Rate | number
  operations?: Rate | number
}

const NS_PER_SECOND = 1e9
const BURSTS_PER_SECOND = 10

/** Fills at a constant rate, up to its burst. What is larger than that takes a full one, and leaves a debt. */
class Bucket {
  readonly #perSecond: number
  readonly #burst: number
  #left: number
  #filled: bigint

  constructor(name: string, rate: Rate | number, now: bigint, before?: Bucket) {
    const given = typeof rate === 'number' ? { perSecond: rate } : rate
    checkOptions(name, given, ['perSecond', 'burst'])
    this.#perSecond = checkInteger(`${name}.perSecond`, given.perSecond, 1, Number.MAX_SAFE_INTEGER)
    const burst = given.burst ?? Math.max(1, Math.floor(this.#perSecond / BURSTS_PER_SECOND))
    this.#burst = checkInteger(`${name}.burst`, burst, 1, Number.MAX_SAFE_INTEGER)
    // Who changes a limit does not give away a burst each time.
    this.#left = Math.min(before?.fill(now) ?? this.#burst, this.#burst)
    this.#filled = now
  }

  fill(now: bigint): number {
    // A machine that goes on from a saved state has its clock put back.
    const passed = Math.max(Number(now - this.#filled), 0)
    const come = (passed * this.#perSecond) / NS_PER_SECOND
    this.#left = Math.min(this.#left + come, this.#burst)
    this.#filled = now
    return this.#left
  }

  take(amount: number): void {
    this.#left -= amount
  }

  /** In how many nanoseconds so much can be taken. */
  delay(amount: number, now: bigint): number {
    const missing = Math.min(amount, this.#burst) - this.fill(now)
    return missing <= 0 ? 0 : Math.ceil((missing * NS_PER_SECOND) / this.#perSecond)
  }
}

interface Waiting {
  bytes: number
  owner: object
  settle: (go: boolean) => void
}

/**
 * Holds back what a guest asks of a device, on the guest's time: two token buckets, one of bytes and one of operations. Who waits
 * goes in the order in which he came.
 */
export class RateLimiter {
  #clock: Clock = monotonicClock
  #schedule: Schedule = eventLoopSchedule
  #limits: RateLimits = {}
  #bytes: Bucket | undefined
  #operations: Bucket | undefined
  #waiting: Waiting[] = []
  #cancelTimer: (() => void) | undefined
  #delayed = 0

  constructor(limits: RateLimits = {}) {
    this.limits = limits
  }

  /** On which time it works. Before that, it is the host's. */
  attach({ clock, schedule }: { clock: Clock; schedule: Schedule }): void {
    this.#clock = clock
    this.#schedule = schedule
    // What there was counts on another clock.
    this.#bytes = this.#operations = undefined
    this.limits = this.#limits
  }

  get limits(): RateLimits {
    return this.#limits
  }

  /** Counts at once, for those who wait, too. */
  set limits(limits) {
    const { bytes, operations } = checkOptions('limits', limits, ['bytes', 'operations']) as RateLimits
    const now = this.#clock.now()
    const bucket = (name: string, rate: Rate | number | undefined, before: Bucket | undefined) =>
      rate === undefined ? undefined : new Bucket(name, rate, now, before)
    const buckets = [bucket('bytes', bytes, this.#bytes), bucket('operations', operations, this.#operations)] as const
    ;[this.#bytes, this.#operations] = buckets
    this.#limits = limits
    this.#serve()
  }

  /** How many operations have had to wait. */
  get delayed(): number {
    return this.#delayed
  }

  /**
   * An operation of so many bytes. Undefined: it may begin at once. Otherwise the promise says when, with true; or with false that it
   * has been taken back by {@link cancel} with this `owner`.
   */
  admit(bytes: number, owner: object): Promise<boolean> | undefined {
    if (this.#bytes === undefined && this.#operations === undefined) return undefined
    if (this.#waiting.length === 0 && this.#delay(bytes) === 0) {
      this.#take(bytes)
      return undefined
    }
    this.#delayed++
    return new Promise((settle) => {
      this.#waiting.push({ bytes, owner, settle })
      if (this.#waiting.length === 1) this.#serve()
    })
  }

  /** All who wait go at once. Later ones wait for it. */
  release(): void {
    for (const { bytes, settle } of this.#waiting.splice(0)) {
      this.#take(bytes)
      settle(true)
    }
    this.#serve()
  }

  /** Those of this owner who wait need not go any more. */
  cancel(owner: object): void {
    const cancelled = this.#waiting.filter((waiting) => waiting.owner === owner)
    this.#waiting = this.#waiting.filter((waiting) => waiting.owner !== owner)
    for (const { settle } of cancelled) settle(false)
    this.#serve()
  }

  #delay(bytes: number): number {
    const now = this.#clock.now()
    return Math.max(this.#bytes?.delay(bytes, now) ?? 0, this.#operations?.delay(1, now) ?? 0)
  }

  #take(bytes: number): void {
    this.#bytes?.take(bytes)
    this.#operations?.take(1)
  }

  #serve(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const delay = this.#delay(next.bytes)
      if (delay > 0) {
        this.#cancelTimer = this.#schedule(BigInt(delay), () => {
          this.#serve()
        })
        return
      }
      this.#take(next.bytes)
      this.#waiting.shift()
      next.settle(true)
    }
  }
}
