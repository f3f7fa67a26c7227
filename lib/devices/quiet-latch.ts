import type { FastPaths, LatchedRegister } from '../bus/fast-paths.js'

/** A latch that is there only while reading the register changes nothing. */
export class QuietLatch {
  readonly #offset: number
  readonly #effects: number
  readonly #width: number
  #latch: LatchedRegister | undefined
  #value = -1

  /** `effects`: the bits that reading would clear. `width`: how many bytes the register has. */
  constructor(offset: number, { effects = 0, width = 1 } = {}) {
    this.#offset = offset
    this.#effects = effects
    this.#width = width
  }

  update(paths: FastPaths, value: number): void {
    if ((value & this.#effects) !== 0) this.close()
    else if (this.#latch === undefined) this.#latch = paths.latchRead(this.#offset, this.#width, BigInt(value))
    else if (value !== this.#value) this.#latch.value = BigInt(value)
    this.#value = value
  }

  close(): void {
    this.#latch?.close()
    this.#latch = undefined
  }
}
