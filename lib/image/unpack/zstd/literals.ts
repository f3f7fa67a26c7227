import { BackwardBits, corrupt, type Padded } from './bits.js'
import { decodeStream, type HuffmanTable, readHuffmanTable } from './huffman.js'

/** What no block exceeds, packed or unpacked (RFC 8878, 3.1.1.2.4). */
export const BLOCK_MAX = 128 * 1024

const RAW = 0
const RLE = 1
const COMPRESSED = 2
const JUMP_TABLE_SIZE = 6

/** By the size format of compressed literals: the header's bytes, and the bits of each of its two sizes. */
const COMPRESSED_SIZES = [
  [3, 10],
  [3, 10],
  [4, 14],
  [5, 18],
] as const

export interface Literals {
  bytes: Uint8Array
  /** Where the section ends. */
  end: number
  /** For the blocks that follow and have none. */
  huffman: HuffmanTable | undefined
}

/** Reads a block's literals section (RFC 8878, 3.1.1.3.1). */
export function readLiterals(
  bytes: Padded,
  start: number,
  end: number,
  known: HuffmanTable | undefined,
  room: Uint8Array,
): Literals {
  if (start >= end) throw corrupt('literals', 'they are not there')
  const { view } = bytes
  const header = view.getUint32(start, true)
  const type = header & 3
  const format = (header >> 2) & 3
  const output = (size: number) => {
    if (size > BLOCK_MAX) throw corrupt('literals', `${size} bytes; ${BLOCK_MAX} are allowed`)
    return room.subarray(0, size)
  }
  const within = (at: number) => {
    if (at > end) throw corrupt('literals', 'they end past their block')
    return at
  }
  if (type === RAW || type === RLE) {
    const [width, shift] = format === 1 ? [2, 4] : format === 3 ? [3, 4] : [1, 3]
    const size = (header & (2 ** (8 * width) - 1)) >>> shift
    const target = output(size)
    const at = start + width
    if (type === RLE) {
      within(at + 1)
      return { bytes: target.fill(view.getUint8(at)), end: at + 1, huffman: known }
    }
    within(at + size)
    target.set(new Uint8Array(view.buffer, at, size))
    return { bytes: target, end: at + size, huffman: known }
  }
  const [width, bits] = COMPRESSED_SIZES[format as 0 | 1 | 2 | 3]
  let at = within(start + width)
  const mask = (1 << bits) - 1
  const target = output((header >>> 4) & mask)
  const high = width === 5 ? view.getUint8(start + 4) << 10 : 0
  const packedEnd = within(at + (((header >>> (4 + bits)) | high) & mask))
  let huffman = known
  if (type === COMPRESSED) [huffman, at] = readHuffmanTable(bytes, at, packedEnd)
  if (huffman === undefined) throw corrupt('literals', 'their Huffman table is that of no block before')
  if (format === 0) decodeStream(huffman, new BackwardBits(bytes, at, packedEnd), target)
  else decodeFourStreams(huffman, bytes, at, packedEnd, target)
  return { bytes: target, end: packedEnd, huffman }
}

/** The sizes of the first three streams come first; each stream has a quarter of the literals, the last one what is left. */
function decodeFourStreams(table: HuffmanTable, bytes: Padded, start: number, end: number, output: Uint8Array): void {
  let at = start + JUMP_TABLE_SIZE
  if (at > end) throw corrupt('literals', 'they end past their block')
  const quarter = (output.length + 3) >> 2
  for (let stream = 0; stream < 4; stream++) {
    const streamEnd = stream === 3 ? end : at + bytes.view.getUint16(start + 2 * stream, true)
    if (streamEnd > end) throw corrupt('literals', 'a stream ends past its block')
    const part = output.subarray(stream * quarter, stream === 3 ? output.length : (stream + 1) * quarter)
    decodeStream(table, new BackwardBits(bytes, at, streamEnd), part)
    at = streamEnd
  }
}
