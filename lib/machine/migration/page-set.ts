import { PAGE } from '../machine-memory.js'

/** Some of a stretch of guest memory. */
export interface Run {
  /** Guest physical address of the first byte. */
  at: number
  /** In bytes. */
  size: number
}

interface Stretch extends Run {
  /** A bit for each page, lowest first. */
  bits: Uint8Array
}

/** Pages of a guest's memory, which lies in these stretches. */
export class PageSet {
  readonly #stretches: readonly Stretch[]
  #count = 0

  constructor(stretches: readonly Run[]) {
    this.#stretches = stretches.map(({ at, size }) => ({ at, size, bits: new Uint8Array(Math.ceil(size / PAGE / 8)) }))
  }

  /** How many there are. */
  get count(): number {
    return this.#count
  }

  /** Adds the pages in which these bytes lie; what is no page of these stretches is left out. */
  add(address: number, length = 1): void {
    for (const { at, size, bits } of this.#stretches) {
      const end = Math.min(address + length, at + size)
      for (let page = Math.floor((Math.max(address, at) - at) / PAGE); at + page * PAGE < end; page++) {
        const [index, bit] = [page >> 3, 1 << (page & 7)]
        const byte = bits[index] ?? 0
        if ((byte & bit) !== 0) continue
        bits[index] = byte | bit
        this.#count++
      }
    }
  }

  addAll(other: PageSet): void {
    for (const { at, size } of other.runs(Infinity)) this.add(at, size)
  }

  /** Pages that follow each other, at most `most` bytes at once, in order. */
  *runs(most: number): Generator<Run> {
    for (const { at, size, bits } of this.#stretches) {
      const pages = size / PAGE
      const has = (page: number) => page < pages && ((bits[page >> 3] ?? 0) & (1 << (page & 7))) !== 0
      for (let page = 0; page < pages; page++) {
        if (bits[page >> 3] === 0) page |= 7
        if (!has(page)) continue
        const first = page
        while ((page - first + 1) * PAGE < most && has(page + 1)) page++
        yield { at: at + first * PAGE, size: (page + 1 - first) * PAGE }
      }
    }
  }
}
