import { eventLoopSchedule, type Schedule } from '../bus/clock.js'

/** A device's one timer. It rings once for each time that it is set; never while the device is paused, never after its end. */
export class Alarm {
  readonly #schedule: Schedule
  readonly #ring: () => void
  #cancel: (() => void) | undefined
  #paused = false
  #closed = false

  constructor(ring: () => void, schedule: Schedule = eventLoopSchedule) {
    this.#ring = ring
    this.#schedule = schedule
  }

  get paused(): boolean {
    return this.#paused
  }

  /** Whether it does not ring, because of a pause or for good. */
  get silent(): boolean {
    return this.#paused || this.#closed
  }

  /** Rings in so many nanoseconds, and at no time that was set before. */
  set(delay: bigint): void {
    this.stop()
    if (!this.silent) this.#cancel = this.#schedule(delay, this.#ring)
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  pause(): void {
    this.#paused = true
    this.stop()
  }

  /** It can be set again. */
  resume(): void {
    this.#paused = false
  }

  close(): void {
    this.#closed = true
    this.stop()
  }
}
