import type { BaseAddress } from './base-address.js'

/** Where the BARs of all functions are. One whose place is taken is nowhere, until that is free or it is moved elsewhere. */
export class Placement {
  readonly #waiting = new Set<BaseAddress>()

  move(base: BaseAddress, wish: number | undefined): void {
    if (wish === base.wish) return
    base.wish = wish
    this.#waiting.delete(base)
    const left = base.start !== undefined
    if (!base.move(wish)) this.#waiting.add(base)
    if (left) this.#settle(base)
  }

  /** A place has become free. */
  #settle(except: BaseAddress): void {
    for (const other of this.#waiting) if (other !== except && other.move(other.wish)) this.#waiting.delete(other)
  }
}
