/** How many bytes the queues of a device may move, together, before others on the event loop get their turn. */
const BYTES_PER_TURN = 2 ** 20

interface Waiting {
  bytes: number
  go: () => void
}

/** What a device does in one turn of the event loop is bounded by bytes, however many queues and requests it has. */
export class TurnBudget {
  #left = BYTES_PER_TURN
  #waiting = new Set<Waiting>()
  #isNextDue = false

  /** Whether all has been moved that may be in this turn. */
  get isSpent(): boolean {
    return this.#left <= 0
  }

  /** More than there is left may be spent at once: it is the last of this turn. */
  spend(bytes: number): void {
    this.#left -= bytes
  }

  /** Calls `go` in a later turn, when these bytes can be spent, and have been. Returns what takes that back. */
  wait(bytes: number, go: () => void): () => void {
    const waiting = { bytes, go }
    this.#waiting.add(waiting)
    this.#callNext()
    return () => void this.#waiting.delete(waiting)
  }

  #callNext(): void {
    if (this.#isNextDue || this.#waiting.size === 0) return
    this.#isNextDue = true
    setImmediate(() => {
      this.#isNextDue = false
      this.#begin()
    })
  }

  #begin(): void {
    this.#left = BYTES_PER_TURN
    // Who comes back to wait again, does so for the turn after this one.
    for (const waiting of [...this.#waiting]) {
      if (this.isSpent) break
      if (!this.#waiting.delete(waiting)) continue
      this.spend(waiting.bytes)
      waiting.go()
    }
    this.#callNext()
  }
}
