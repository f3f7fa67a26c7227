import { BackwardBits, corrupt, lastBit, type Padded } from './bits.js'
import { FseState, readTable } from './fse.js'

const MAX_BITS = 11
const MAX_WEIGHTS = 255
const WEIGHT_LIMITS = { maxAccuracy: 6, maxSymbol: 15 }
/** A header byte from here on says how many weights follow as they are, four bits each. */
const DIRECT = 128

/** A Huffman code: by the next `maxBits` bits, the symbol and how many of them it takes. */
export interface HuffmanTable {
  maxBits: number
  symbols: Uint8Array
  bits: Uint8Array
}

/** Reads a tree's description (RFC 8878, 4.2.1). Returns the table and where the description ends. */
export function readHuffmanTable(bytes: Padded, start: number, end: number): [table: HuffmanTable, end: number] {
  if (start >= end) throw corrupt('Huffman table', 'it is not there')
  const header = bytes.view.getUint8(start)
  const isDirect = header >= DIRECT
  const count = header - DIRECT + 1
  const tableEnd = start + 1 + (isDirect ? (count + 1) >> 1 : header)
  if (tableEnd > end) throw corrupt('Huffman table', 'it ends past its block')
  const weights = isDirect ? directWeights(bytes, start + 1, count) : packedWeights(bytes, start + 1, tableEnd)
  return [buildTable(weights), tableEnd]
}

function directWeights({ view }: Padded, start: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => {
    const byte = view.getUint8(start + (index >> 1))
    return index % 2 === 0 ? byte >> 4 : byte & 0xf
  })
}

/** Two states take turns; the weights end where the bits do. */
function packedWeights(bytes: Padded, start: number, end: number): number[] {
  const [table, bitsAt] = readTable(bytes, start, end, WEIGHT_LIMITS)
  const bits = new BackwardBits(bytes, bitsAt, end)
  let [state, other] = [new FseState(table, bits), new FseState(table, bits)]
  const weights: number[] = []
  while (weights.length <= MAX_WEIGHTS) {
    weights.push(state.symbol)
    state.advance(bits)
    if (bits.left < 0) return [...weights, other.symbol]
    ;[state, other] = [other, state]
  }
  throw corrupt('Huffman table', `it has more than ${MAX_WEIGHTS} weights`)
}

/** The last weight is what is missing to a power of two. */
function buildTable(weights: number[]): HuffmanTable {
  const sum = weights.reduce((total, weight) => total + (weight > 0 ? 1 << (weight - 1) : 0), 0)
  const maxBits = sum === 0 ? 0 : lastBit(sum) + 1
  if (maxBits === 0 || maxBits > MAX_BITS || weights.length > MAX_WEIGHTS) {
    throw corrupt('Huffman table', `a code of ${maxBits} bits for ${weights.length} symbols`)
  }
  const missing = (1 << maxBits) - sum
  if ((missing & (missing - 1)) !== 0) throw corrupt('Huffman table', 'its weights are no tree')
  const all = [...weights, lastBit(missing) + 1]
  const table = { maxBits, symbols: new Uint8Array(1 << maxBits), bits: new Uint8Array(1 << maxBits) }
  let at = 0
  for (let weight = 1; weight <= maxBits; weight++) {
    for (const [symbol, other] of all.entries()) {
      if (other !== weight) continue
      const end = at + (1 << (weight - 1))
      table.symbols.fill(symbol, at, end)
      table.bits.fill(maxBits + 1 - weight, at, end)
      at = end
    }
  }
  return table
}

/** Fills `output` from one stream, which must be used up by that. */
export function decodeStream(table: HuffmanTable, bits: BackwardBits, output: Uint8Array): void {
  const { maxBits, symbols, bits: widths } = table
  for (let index = 0; index < output.length; index++) {
    const code = bits.peek(maxBits)
    output[index] = symbols[code] ?? 0
    bits.left -= widths[code] ?? 0
    if (bits.left < 0) throw corrupt('literals', 'their stream ends too early')
  }
  if (bits.left !== 0) throw corrupt('literals', 'their stream goes on')
}
