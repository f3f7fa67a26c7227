import { printable } from '../format.js'
import { checkUint64, invalidArgument } from '../validate.js'

/** What {@link SymbolTable.lookup} found: the symbol at or before an address. */
export interface SymbolPlace {
  name: string
  /** Bytes from the symbol to the address. */
  offset: number
  /** Whether the symbol is code. */
  code: boolean
}

/** Symbols as a parser found them, by index. Addresses come in two halves: a number holds no 64 bits. */
export interface RawSymbols {
  /** Where the names are: latin1, from `nameStart`, `nameLength` bytes. */
  names: Uint8Array
  count: number
  high: Uint32Array
  low: Uint32Array
  nameStart: Uint32Array
  nameLength: Uint16Array
  /** {@link CODE} and {@link GLOBAL}. */
  flags: Uint8Array
}

export const CODE = 1
export const GLOBAL = 2
/** A file with more symbols is refused; Linux with every driver has a tenth of that. */
export const MAX_SYMBOLS = 2 ** 21
/** Longer names are cut off; Linux's own limit is 512. */
export const MAX_NAME_LENGTH = 512
/** An address so far behind the last symbol does not belong to it. */
const MAX_OFFSET = 2 ** 24

export function allocateSymbols(names: Uint8Array, capacity: number): RawSymbols {
  return {
    names,
    count: 0,
    high: new Uint32Array(capacity),
    low: new Uint32Array(capacity),
    nameStart: new Uint32Array(capacity),
    nameLength: new Uint16Array(capacity),
    flags: new Uint8Array(capacity),
  }
}

/**
 * Names of addresses: of a kernel, or of any other guest. Names stay where they are in the file and are decoded when they
 * are asked for.
 */
export class SymbolTable {
  /**
   * How far the guest runs from where it was linked: an address in the guest, less the symbol's. Undefined: not known, and
   * 0 for lookups; a post-mortem tries to find it out then.
   */
  readonly slide: bigint | undefined
  readonly #raw: RawSymbols
  /** Indices by address; of several symbols at one address the best name comes last. */
  readonly #order: Uint32Array

  /** @internal */
  constructor(raw: RawSymbols, slide: bigint | undefined, order = sorted(raw)) {
    if (slide !== undefined && (typeof slide !== 'bigint' || BigInt.asIntN(64, slide) !== slide)) {
      throw invalidArgument('slide', slide, 'a bigint of 64 bits with a sign')
    }
    this.slide = slide
    this.#raw = raw
    this.#order = order
  }

  /** How many symbols there are. */
  get size(): number {
    return this.#raw.count
  }

  /** The same symbols for a guest that runs `slide` bytes from where it was linked (KASLR). */
  withSlide(slide: bigint): SymbolTable {
    return new SymbolTable(this.#raw, slide, this.#order)
  }

  /** The symbol at or before an address of the guest; undefined when the address is before the first or far behind it. */
  lookup(address: bigint): SymbolPlace | undefined {
    const linked = BigInt.asUintN(64, checkUint64('address', address) - (this.slide ?? 0n))
    const [high, low] = [Number(linked >> 32n), Number(linked & 0xffff_ffffn)]
    const index = this.#order[this.#position(high, low) - 1]
    if (index === undefined) return undefined
    const offset = (high - (this.#raw.high[index] ?? 0)) * 2 ** 32 + low - (this.#raw.low[index] ?? 0)
    if (offset > MAX_OFFSET) return undefined
    return { name: this.#name(index), offset, code: ((this.#raw.flags[index] ?? 0) & CODE) !== 0 }
  }

  /** Where the guest has a symbol; of several with this name the first. Undefined when there is none. */
  addressOf(name: string): bigint | undefined {
    const { names, nameStart, nameLength, high, low } = this.#raw
    const wanted = Buffer.from(name, 'latin1')
    for (const index of this.#order) {
      const start = nameStart[index] ?? 0
      if (nameLength[index] !== wanted.length || names[start] !== wanted[0]) continue
      if (wanted.compare(names, start, start + wanted.length) !== 0) continue
      const linked = (BigInt(high[index] ?? 0) << 32n) | BigInt(low[index] ?? 0)
      return BigInt.asUintN(64, linked + (this.slide ?? 0n))
    }
    return undefined
  }

  #name(index: number): string {
    const start = this.#raw.nameStart[index] ?? 0
    const bytes = this.#raw.names.subarray(start, start + (this.#raw.nameLength[index] ?? 0))
    // It will be printed: a file must not reach the terminal with it.
    return printable(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'))
  }

  /** How many symbols lie at the address or before it. */
  #position(high: number, low: number): number {
    const raw = this.#raw
    let from = 0
    let to = this.#order.length
    while (from < to) {
      const middle = (from + to) >>> 1
      const index = this.#order[middle] ?? 0
      const before = (raw.high[index] ?? 0) - high || (raw.low[index] ?? 0) - low
      if (before <= 0) from = middle + 1
      else to = middle
    }
    return from
  }
}

/** By address. At the same one code comes after data, a global name after a local one, and the file's first after the others. */
function sorted({ count, high, low, flags }: RawSymbols): Uint32Array {
  const rank = (index: number) => flags[index] ?? 0
  const compare = (a: number, b: number) =>
    (high[a] ?? 0) - (high[b] ?? 0) ||
    (low[a] ?? 0) - (low[b] ?? 0) ||
    (rank(a) & CODE) - (rank(b) & CODE) ||
    rank(a) - rank(b) ||
    b - a
  return Uint32Array.from({ length: count }, (_, index) => index).sort(compare)
}
