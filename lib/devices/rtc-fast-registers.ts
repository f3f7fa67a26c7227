import type { FastPaths, IndexedRegister } from '../bus/fast-paths.js'
import { monotonicClock } from '../bus/clock.js'
import * as R from './rtc-registers.js'

const NS_PER_MS = 1_000_000

/**
 * What of the clock the vCPU threads answer. The choice of a register is posted. The registers that stand still between two
 * updates are latched from a read that came here until the next update, and no longer: so a clock that nobody reads costs
 * nothing, and a wall clock that jumps is late by less than a second. Reading register C has an effect; it is never latched.
 */
export class RtcFastRegisters {
  #latch: IndexedRegister | undefined

  attach(paths: FastPaths, chosen: (index: number) => void): void {
    this.detach()
    this.#latch = paths.latchIndexed({ index: R.INDEX, data: R.DATA, mask: R.INDEX_MASK }, chosen)
  }

  detach(): void {
    this.#latch?.close()
    this.#latch = undefined
  }

  /** What the guest has written to the index register, if no write() has brought it. */
  get chosen(): number | undefined {
    return this.#latch?.chosen
  }

  /** Before a register changes otherwise than by an update, and when the choice of one was not posted. */
  clear(): void {
    this.#latch?.clear()
  }

  /**
   * A read of `register`: latches it and those that a guest reads with it. `take()` brings the registers up to date, all at
   * one time, and returns for how many milliseconds from then they stay so.
   */
  update(register: number, cmos: Uint8Array, take: () => number): void {
    if (this.#latch === undefined || register === R.REGISTER_C) return
    // Before the device's clock: what passes in between makes the latch shorter, not longer.
    const now = monotonicClock.now()
    const quiet = take()
    if (quiet <= 0) return
    const until = quiet === Infinity ? undefined : now + BigInt(Math.floor(quiet * NS_PER_MS))
    for (const stable of new Set([...R.STABLE, register])) this.#latch.set(stable, cmos[stable] ?? 0, until)
  }
}
