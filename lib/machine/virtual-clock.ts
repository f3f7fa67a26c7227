import { type Clock, eventLoopSchedule, monotonicClock, type Schedule } from '../bus/clock.js'

interface Timer {
  due: bigint
  call: () => void
  cancel: () => void
}

const NOTHING = () => undefined

/** The guest's time, in nanoseconds: the host's monotonic clock, less the times for which it stood still. */
export class VirtualClock implements Clock {
  readonly #timers = new Set<Timer>()
  #behind = 0n
  // When it was stopped, on the host's clock.
  #held: bigint | undefined
  #paused = false

  now(): bigint {
    return (this.#held ?? monotonicClock.now()) - this.#behind
  }

  get ahead(): bigint {
    return -this.#behind
  }

  /** It stands still until {@link start}. */
  stop(): void {
    this.#held ??= monotonicClock.now()
  }

  start(): void {
    if (this.#held !== undefined) this.#behind += monotonicClock.now() - this.#held
    this.#held = undefined
  }

  /** It stands still there until {@link start}. No timer has been set. */
  standAt(now: bigint): void {
    this.#held = monotonicClock.now()
    this.#behind = this.#held - now
  }

  /** No timer fires until {@link resume}, whether or not the clock goes on. */
  pause(): void {
    this.#paused = true
    for (const timer of this.#timers) timer.cancel()
  }

  resume(): void {
    this.#paused = false
    for (const timer of this.#timers) this.#arm(timer)
  }

  /** Timers on this clock. */
  readonly schedule: Schedule = (delay, call) => {
    const timer: Timer = { due: this.now() + delay, call, cancel: NOTHING }
    this.#timers.add(timer)
    if (!this.#paused) this.#arm(timer)
    return () => {
      timer.cancel()
      this.#timers.delete(timer)
    }
  }

  /** No timer fires any more. */
  close(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
    this.#paused = true
  }

  #arm(timer: Timer): void {
    timer.cancel()
    const left = timer.due - this.now()
    timer.cancel = eventLoopSchedule(left > 0n ? left : 0n, () => {
      // The host's timers end at a limit, and may be early.
      if (this.now() < timer.due) {
        this.#arm(timer)
        return
      }
      this.#timers.delete(timer)
      timer.call()
    })
  }
}
