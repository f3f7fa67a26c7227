import { ImageReader } from '../../image-reader.js'
import { corrupt, pad, type Padded } from './bits.js'
import type { HuffmanTable } from './huffman.js'
import { BLOCK_MAX, readLiterals } from './literals.js'
import { executeSequences, firstState, type Output } from './sequences.js'

// Zstandard (RFC 8878). The one library for it in plain JavaScript allocates the window that a frame asks for, moves all of it
// for each block, and goes on when a block writes past its end: some bytes keep it busy for days. Hence this decoder, whose
// window is the output itself, and whose work is linear in what goes in and what comes out. It skips the content checksum.

const MAGIC = 0xfd2f_b528

// Frame header (3.1.1.1).
const DESCRIPTOR = 4
const WINDOW = 5
const SINGLE_SEGMENT = 1 << 5
const RESERVED = 1 << 3
const HAS_CHECKSUM = 1 << 2
const HAS_DICTIONARY = 0b11
const CONTENT_SIZE_WIDTHS = [0, 2, 4, 8]
const CHECKSUM_SIZE = 4

const RAW = 0
const RLE = 1
const COMPRESSED = 2
const BLOCK_HEADER_SIZE = 3

/** Unpacks exactly `size` bytes. */
export function unpackZstd(packed: Uint8Array, size: number): Uint8Array {
  const reader = new ImageReader('zstd payload', packed)
  const input = pad(packed)
  const output: Output = { bytes: new Uint8Array(size), filled: 0, start: 0, end: 0 }
  const room = new Uint8Array(BLOCK_MAX)
  // Frames may follow each other.
  for (let at = 0; at < packed.length;) at = unpackFrame(reader, input, at, output, room)
  if (output.filled !== size) throw corrupt('size', `${output.filled} bytes came out, not ${size}`)
  return output.bytes
}

/** Returns where the frame ends. */
function unpackFrame(reader: ImageReader, input: Padded, start: number, output: Output, room: Uint8Array): number {
  if (reader.uint32('Magic_Number', start) !== MAGIC) throw reader.fault('Magic_Number', start, 'not a frame')
  const descriptor = reader.uint8('Frame_Header_Descriptor', start + DESCRIPTOR)
  if ((descriptor & (RESERVED | HAS_DICTIONARY)) !== 0) {
    throw reader.fault('Frame_Header_Descriptor', start + DESCRIPTOR, 'it needs a dictionary, or has reserved bits')
  }
  const isSingle = (descriptor & SINGLE_SEGMENT) !== 0
  const sizeWidth = CONTENT_SIZE_WIDTHS[descriptor >> 6] || (isSingle ? 1 : 0)
  let at = start + WINDOW + (isSingle ? 0 : 1) + sizeWidth

  output.start = output.filled
  const sequences = firstState()
  let huffman: HuffmanTable | undefined
  for (let isLast = false; !isLast;) {
    const header = reader.uint16('Block_Header', at) | (reader.uint8('Block_Header', at + 2) << 16)
    isLast = (header & 1) !== 0
    const type = (header >> 1) & 3
    const size = header >> 3
    const content = at + BLOCK_HEADER_SIZE
    const end = content + (type === RLE ? 1 : size)
    if (size > BLOCK_MAX || type > COMPRESSED) throw reader.fault('Block_Header', at, `type ${type}, ${size} bytes`)
    reader.slice('block', content, end - content)
    output.end = Math.min(output.bytes.length, output.filled + BLOCK_MAX)
    if (type === COMPRESSED) {
      const literals = readLiterals(input, content, end, huffman, room)
      huffman = literals.huffman
      executeSequences(input, literals.end, end, literals.bytes, sequences, output)
    } else {
      if (size > output.end - output.filled) throw reader.fault('block', at, 'more comes out than was announced')
      if (type === RAW) output.bytes.set(reader.bytes.subarray(content, end), output.filled)
      else output.bytes.fill(reader.uint8('block', content), output.filled, output.filled + size)
      output.filled += size
    }
    at = end
  }
  const checksumSize = (descriptor & HAS_CHECKSUM) === 0 ? 0 : CHECKSUM_SIZE
  reader.slice('Content_Checksum', at, checksumSize)
  return at + checksumSize
}
