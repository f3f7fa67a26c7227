import { BackwardBits, corrupt, type Padded } from './bits.js'
import { buildTable, type FseLimits, FseState, type FseTable, readTable, singleSymbol } from './fse.js'

// The sequences section of a block (RFC 8878, 3.1.1.3.2): how many literals, then a match of what length, from how far back.

const times = (count: number, value: number): number[] => Array.from({ length: count }, () => value)

/** The bits that each code adds. */
const LITERAL_BITS = [...times(16, 0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
const MATCH_BITS = [...times(32, 0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
/** A code's values begin where those of the code before end. */
function basesOf(bits: readonly number[], first: number): number[] {
  let next = first
  return bits.map((count) => (next += 2 ** count) - 2 ** count)
}
const LITERAL_BASES = basesOf(LITERAL_BITS, 0)
const MATCH_BASES = basesOf(MATCH_BITS, 3)
/** An offset past this lies before any output. */
const MAX_OFFSET_CODE = 31
const REPEATED_OFFSETS = 3

const KINDS = ['literals', 'offsets', 'matches'] as const
type Kind = (typeof KINDS)[number]
const LIMITS: Record<Kind, FseLimits> = {
  literals: { maxAccuracy: 9, maxSymbol: LITERAL_BITS.length - 1 },
  offsets: { maxAccuracy: 8, maxSymbol: MAX_OFFSET_CODE },
  matches: { maxAccuracy: 9, maxSymbol: MATCH_BITS.length - 1 },
}
/** The tables that need not be described (3.1.1.3.2.2). */
const PREDEFINED: Record<Kind, FseTable> = {
  literals: buildTable([4, 3, ...times(11, 2), 1, 1, 1, ...times(9, 2), 3, 2, ...times(5, 1), ...times(4, -1)], 6),
  offsets: buildTable([...times(6, 1), 2, 2, 2, ...times(15, 1), ...times(5, -1)], 5),
  matches: buildTable([1, 4, 3, ...times(6, 2), ...times(37, 1), ...times(7, -1)], 6),
}
const MODE = { predefined: 0, single: 1, described: 2 } as const

/** What a frame's blocks hand on to each other. */
export interface SequenceState {
  tables: Partial<Record<Kind, FseTable>>
  offsets: [number, number, number]
}

export const firstState = (): SequenceState => ({ tables: {}, offsets: [1, 4, 8] })

/** Where output goes: `filled` of `bytes` are there, and a block may add up to `end`. */
export interface Output {
  bytes: Uint8Array
  filled: number
  /** Where the frame began: matches reach no further back. */
  start: number
  end: number
}

/** Executes a block's sequences, which lie from `start` to `end`. Each adds three bytes at least, so that its work is bounded. */
export function executeSequences(
  input: Padded,
  start: number,
  end: number,
  literals: Uint8Array,
  state: SequenceState,
  output: Output,
): void {
  const [count, headerEnd] = readCount(input, start, end)
  let literalsAt = 0
  const copyLiterals = (length: number) => {
    if (length > literals.length - literalsAt) throw corrupt('sequences', 'more literals than there are')
    if (length > output.end - output.filled) throw corrupt('sequences', 'more comes out than was announced')
    for (let left = length; left > 0; left--) output.bytes[output.filled++] = literals[literalsAt++] ?? 0
  }
  if (count > 0) {
    const bits = new BackwardBits(input, readTables(input, headerEnd, end, state), end)
    const { tables } = state
    const literalState = new FseState(tables.literals ?? PREDEFINED.literals, bits)
    const offsetState = new FseState(tables.offsets ?? PREDEFINED.offsets, bits)
    const matchState = new FseState(tables.matches ?? PREDEFINED.matches, bits)
    for (let index = 0; index < count; index++) {
      const [offsetCode, matchCode, literalCode] = [offsetState.symbol, matchState.symbol, literalState.symbol]
      const offsetValue = readOffset(bits, offsetCode)
      const matchLength = (MATCH_BASES[matchCode] ?? 0) + bits.read(MATCH_BITS[matchCode] ?? 0)
      const literalLength = (LITERAL_BASES[literalCode] ?? 0) + bits.read(LITERAL_BITS[literalCode] ?? 0)
      if (index < count - 1) {
        literalState.advance(bits)
        matchState.advance(bits)
        offsetState.advance(bits)
      }
      if (bits.left < 0) throw corrupt('sequences', 'they end too early')
      copyLiterals(literalLength)
      copyMatch(output, distanceOf(state.offsets, offsetValue, literalLength), matchLength)
    }
    if (bits.left !== 0) throw corrupt('sequences', 'they go on')
  } else if (headerEnd !== end) throw corrupt('sequences', 'there are none, and the block goes on')
  copyLiterals(literals.length - literalsAt)
}

function readCount({ view }: Padded, start: number, end: number): [count: number, end: number] {
  const first = start < end ? view.getUint8(start) : 0
  const width = first < 128 ? 1 : first < 255 ? 2 : 3
  if (start + width > end) throw corrupt('sequences', 'they are not there')
  if (width === 1) return [first, start + 1]
  if (width === 2) return [((first - 128) << 8) + view.getUint8(start + 1), start + 2]
  return [view.getUint16(start + 1, true) + 0x7f00, start + 3]
}

/** Brings the state's tables up to date. Returns where their descriptions end. */
function readTables(input: Padded, start: number, end: number, { tables }: SequenceState): number {
  if (start >= end) throw corrupt('sequences', 'they have no modes')
  const modes = input.view.getUint8(start)
  if ((modes & 3) !== 0) throw corrupt('sequences', 'reserved bits are set')
  let at = start + 1
  for (const [index, kind] of KINDS.entries()) {
    const mode = (modes >> (6 - 2 * index)) & 3
    if (mode === MODE.predefined) tables[kind] = PREDEFINED[kind]
    else if (mode === MODE.single) {
      const symbol = at < end ? input.view.getUint8(at++) : Infinity
      if (symbol > LIMITS[kind].maxSymbol) throw corrupt('sequences', `${symbol} is no code of ${kind}`)
      tables[kind] = singleSymbol(symbol)
    } else if (mode === MODE.described) [tables[kind], at] = readTable(input, at, end, LIMITS[kind])
    else if (tables[kind] === undefined) throw corrupt('sequences', `the table of ${kind} is that of no block before`)
  }
  return at
}

/** The code is the number of bits that follow a one: more than can be read at once. */
function readOffset(bits: BackwardBits, code: number): number {
  if (code <= 16) return 2 ** code + bits.read(code)
  const high = bits.read(code - 16)
  return 2 ** code + high * 2 ** 16 + bits.read(16)
}

/** How far back a match lies, by an offset or one of the last three (3.1.1.5). */
function distanceOf(offsets: [number, number, number], value: number, literalLength: number): number {
  const repeated = value - 1 + (literalLength === 0 ? 1 : 0)
  const isNew = value > REPEATED_OFFSETS
  const distance = isNew ? value - REPEATED_OFFSETS : (offsets[repeated] ?? offsets[0] - 1)
  if (isNew || repeated > 1) offsets[2] = offsets[1]
  if (isNew || repeated > 0) offsets[1] = offsets[0]
  offsets[0] = distance
  return distance
}

/** A match may overlap its own copy: what has been written is then read again. */
function copyMatch(output: Output, distance: number, length: number): void {
  const { bytes, filled } = output
  if (distance === 0 || distance > filled - output.start) throw corrupt('sequences', 'a match lies before the output')
  if (length > output.end - filled) throw corrupt('sequences', 'more comes out than was announced')
  if (distance >= length) bytes.copyWithin(filled, filled - distance, filled - distance + length)
  else for (let index = filled; index < filled + length; index++) bytes[index] = bytes[index - distance] ?? 0
  output.filled += length
}
