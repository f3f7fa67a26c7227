import { type BackwardBits, bitsAt, corrupt, lastBit, type Padded } from './bits.js'

/** A table of finite state entropy (RFC 8878, 4.1): what each state says, and how the next one follows from it. */
export interface FseTable {
  accuracy: number
  symbols: Uint8Array
  bits: Uint8Array
  bases: Uint16Array
}

/** From how likely each symbol is; -1 is less likely than 1. */
export function buildTable(probabilities: readonly number[], accuracy: number): FseTable {
  const size = 1 << accuracy
  const table = {
    accuracy,
    symbols: new Uint8Array(size),
    bits: new Uint8Array(size),
    bases: new Uint16Array(size),
  }
  const { symbols, bits, bases } = table
  let high = size
  for (const [symbol, probability] of probabilities.entries()) if (probability === -1) symbols[--high] = symbol
  const step = (size >> 1) + (size >> 3) + 3
  let at = 0
  for (const [symbol, probability] of probabilities.entries()) {
    for (let index = 0; index < probability; index++) {
      symbols[at] = symbol
      do at = (at + step) & (size - 1)
      while (at >= high)
    }
  }
  const next = probabilities.map((probability) => Math.abs(probability))
  for (let state = 0; state < size; state++) {
    const symbol = symbols[state] ?? 0
    const count = next[symbol] ?? 1
    next[symbol] = count + 1
    const width = accuracy - lastBit(count)
    bits[state] = width
    bases[state] = (count << width) - size
  }
  return table
}

/** The table of one symbol, whose states need no bits. */
export function singleSymbol(symbol: number): FseTable {
  return { accuracy: 0, symbols: Uint8Array.of(symbol), bits: new Uint8Array(1), bases: new Uint16Array(1) }
}

export interface FseLimits {
  maxAccuracy: number
  maxSymbol: number
}

/** Reads a table's description (4.1.1). Returns it and where it ends. */
export function readTable(
  bytes: Padded,
  start: number,
  end: number,
  { maxAccuracy, maxSymbol }: FseLimits,
): [table: FseTable, end: number] {
  let position = start * 8
  const read = (count: number): number => {
    if (position + count > end * 8) throw corrupt('table', 'it ends too early')
    position += count
    return bitsAt(bytes, position - count, count)
  }
  const accuracy = read(4) + 5
  if (accuracy > maxAccuracy) throw corrupt('table', `an accuracy of ${accuracy}; ${maxAccuracy} are allowed`)
  const probabilities: number[] = []
  for (let remaining = 1 << accuracy; remaining > 0;) {
    // As many bits as remaining + 1 needs; the lowest values go with one less.
    const width = lastBit(remaining + 1) + 1
    const short = (1 << width) - 2 - remaining
    const low = read(width - 1)
    const value = low < short ? low : low | (read(1) << (width - 1))
    const probability = (value >= 1 << (width - 1) ? value - short : value) - 1
    remaining -= Math.abs(probability)
    probabilities.push(probability)
    for (let repeat = probability === 0 ? 3 : 0; repeat === 3;) {
      repeat = read(2)
      for (let index = 0; index < repeat; index++) probabilities.push(0)
    }
    if (remaining < 0) throw corrupt('table', 'its probabilities are more than there are states')
    if (probabilities.length > maxSymbol + 1) throw corrupt('table', `it has more than ${maxSymbol + 1} symbols`)
  }
  return [buildTable(probabilities, accuracy), Math.ceil(position / 8)]
}

/** Where a decoder stands in a table. */
export class FseState {
  readonly #table: FseTable
  #state: number

  constructor(table: FseTable, bits: BackwardBits) {
    this.#table = table
    this.#state = bits.read(table.accuracy)
  }

  get symbol(): number {
    return this.#table.symbols[this.#state] ?? 0
  }

  advance(bits: BackwardBits): void {
    const { bases, bits: widths } = this.#table
    this.#state = (bases[this.#state] ?? 0) + bits.read(widths[this.#state] ?? 0)
  }
}
