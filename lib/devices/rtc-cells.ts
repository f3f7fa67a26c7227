import { BankCell, ValueCell } from '../bus/cells.js'
import { monotonicClock } from '../bus/clock.js'
import * as R from './rtc-registers.js'

const NS_PER_MS = 1_000_000

/**
 * What of the clock the vCPU threads answer. The choice of a register is posted. The registers that stand still between two
 * updates are in the bank from a read that came here until the next update, and no longer: so a clock that nobody reads costs
 * nothing, and a wall clock that jumps is late by less than a second. Reading register C has an effect; it is never there.
 */
export class RtcCells {
  readonly #data = new BankCell({ offset: R.DATA, mask: R.INDEX_MASK })
  readonly all = [new ValueCell({ offset: R.INDEX, write: 'lazy', chooses: this.#data }), this.#data]

  /** What the guest has written to the index register, if it was posted. */
  get chosen(): number | undefined {
    return this.#data.chosen
  }

  /** Before a register changes otherwise than by an update. */
  clear(): void {
    this.#data.clear()
  }

  /**
   * A read of `register`: the threads answer the next, and those of the registers that a guest reads with it. `take()` brings
   * the registers up to date, all at one time, and returns for how many milliseconds from then they stay so.
   */
  update(register: number, cmos: Uint8Array, take: () => number): void {
    if (register === R.REGISTER_C) return
    // Before the device's clock: what passes in between makes the time shorter, not longer.
    const now = monotonicClock.now()
    const quiet = take()
    if (quiet <= 0) return
    const until = quiet === Infinity ? undefined : now + BigInt(Math.floor(quiet * NS_PER_MS))
    for (const stable of new Set([...R.STABLE, register])) this.#data.set(stable, cmos[stable] ?? 0, until)
  }
}
