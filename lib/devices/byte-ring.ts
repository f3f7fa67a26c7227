/** A queue of bytes with a fixed capacity. */
export class ByteRing {
  readonly capacity: number
  readonly #bytes: Uint8Array
  #first = 0
  #length = 0

  constructor(capacity: number) {
    this.capacity = capacity
    this.#bytes = new Uint8Array(capacity)
  }

  get length(): number {
    return this.#length
  }

  get free(): number {
    return this.capacity - this.#length
  }

  /** Takes as many of the bytes as fit, and returns how many. */
  push(bytes: ArrayLike<number>): number {
    const taken = Math.min(bytes.length, this.free)
    for (let index = 0; index < taken; index++) {
      this.#bytes[(this.#first + this.#length) % this.capacity] = bytes[index] ?? 0
      this.#length++
    }
    return taken
  }

  /** The oldest byte, or undefined when there is none. */
  shift(): number | undefined {
    if (this.#length === 0) return undefined
    const byte = this.#bytes[this.#first]
    this.#first = (this.#first + 1) % this.capacity
    this.#length--
    return byte
  }

  clear(): void {
    this.#length = 0
  }

  toArray(): number[] {
    return Array.from({ length: this.#length }, (_, index) => this.#bytes[(this.#first + index) % this.capacity] ?? 0)
  }
}
