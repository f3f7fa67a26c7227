import { crc32 } from 'node:zlib'
import xzDecompress from 'xz-decompress'
import { hex } from '../../format.js'
import { ImageReader } from '../image-reader.js'
import { undoX86Filter } from './bcj-x86.js'
import { plainStream } from './xz-plain-stream.js'

// The .xz file format 1.2.1. The library unpacks LZMA2 and knows no other filter, but kernels are packed with the x86
// filter in front of it. So each block is handed to it as a stream of its own that names LZMA2 alone, and the filter
// is undone here.
const HEADER_SIZE = 12
const FOOTER_SIZE = 12
const CHECK_TYPE = 7
const CHECK_SIZES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64]
const CHECK_CRC32 = 1

const FILTER_X86 = 0x04
const FILTER_LZMA2 = 0x21
const FILTER_COUNT = 0b11
const HAS_PACKED_SIZE = 1 << 6
const HAS_UNPACKED_SIZE = 1 << 7
/** What bounds the work that the index can ask for, which for each block is the library's start; xz makes blocks of some MiB. */
const MAX_BLOCKS = 1024

interface Block {
  start: number
  /** Header, packed data and check, without the padding. */
  length: number
  size: number
}

/** Unpacks exactly `size` bytes. */
export async function unpackXz(packed: Uint8Array, size: number): Promise<Uint8Array> {
  const reader = new ImageReader('xz payload', packed)
  const checkType = reader.uint8('stream flags', CHECK_TYPE) & 0xf
  const blocks = readIndex(reader)
  const announced = blocks.reduce((sum, block) => sum + block.size, 0)
  if (announced !== size) throw reader.fault('index', 0, `blocks of ${announced} bytes in all, not ${size}`)
  const output = new Uint8Array(size)
  let filled = 0
  for (const block of blocks) {
    await unpackBlock(reader, block, checkType, output.subarray(filled, filled + block.size))
    filled += block.size
  }
  return output
}

/** A number of seven bits a byte, as the format has them. Returns it and where it ends. */
function variableLength(reader: ImageReader, field: string, offset: number): [value: number, end: number] {
  let value = 0
  for (let at = offset; at < offset + 7; at++) {
    const byte = reader.uint8(field, at)
    value += (byte & 0x7f) * 2 ** (7 * (at - offset))
    if ((byte & 0x80) === 0) return [value, at + 1]
  }
  throw reader.fault(field, offset, 'a number past 2^49')
}

/** The index, at the stream's end, says where each block lies and how much comes out of it. */
function readIndex(reader: ImageReader): Block[] {
  const footer = reader.length - FOOTER_SIZE
  if (footer < HEADER_SIZE) throw reader.fault('footer', 0, 'the payload is shorter than a header and a footer')
  if (reader.uint16('footer magic', footer + 10) !== 0x5a59) throw reader.fault('footer magic', footer + 10, 'not "YZ"')
  const index = footer - (reader.uint32('backward size', footer + 4) + 1) * 4
  if (index < HEADER_SIZE) throw reader.fault('backward size', footer + 4, 'the index would begin before the payload')
  let [count, at] = variableLength(reader, 'number of records', index + 1)
  if (count > MAX_BLOCKS) {
    throw reader.fault('number of records', index + 1, `${count} blocks; ${MAX_BLOCKS} are supported`)
  }
  const blocks: Block[] = []
  for (let start = HEADER_SIZE; count > 0; count--) {
    const [length, sizeAt] = variableLength(reader, 'unpadded size', at)
    const [size, end] = variableLength(reader, 'uncompressed size', sizeAt)
    blocks.push({ start, length, size })
    start += Math.ceil(length / 4) * 4
    if (start > index) throw reader.fault('unpadded size', at, `${hex(length)} bytes reach into the index`)
    at = end
  }
  return blocks
}

async function unpackBlock(reader: ImageReader, block: Block, checkType: number, output: Uint8Array): Promise<void> {
  const headerSize = (reader.uint8('block header size', block.start) + 1) * 4
  const { dictionary, hasX86Filter } = readFilters(reader, block.start)
  const dataAt = block.start + headerSize
  const dataEnd = block.start + block.length - (CHECK_SIZES[checkType] ?? 0)
  const data = reader.slice('block', dataAt, Math.max(0, dataEnd - dataAt))
  // The data is filled up to a multiple of four, which the unpadded size leaves out; blocks begin at one themselves.
  const checkAt = Math.ceil(dataEnd / 4) * 4

  const plain = ReadableStream.from<Uint8Array>(
    plainStream(data, neededDictionary(dictionary, output.length), output.length),
  )
  let filled = 0
  for await (const chunk of new xzDecompress.XzReadableStream(plain)) {
    if (chunk.length > output.length - filled) throw reader.fault('block', dataAt, 'more comes out than was announced')
    output.set(chunk, filled)
    filled += chunk.length
  }
  if (filled !== output.length) throw reader.fault('block', dataAt, `${filled} bytes came out, not ${output.length}`)
  if (hasX86Filter) undoX86Filter(output)
  if (checkType === CHECK_CRC32 && reader.uint32('check', checkAt) !== crc32(output)) {
    throw reader.fault('check', checkAt, 'the CRC32 does not match')
  }
}

/** The library allocates the dictionary, and no match reaches further back than the block does. */
function neededDictionary(property: number, size: number): number {
  let needed = 0
  // The .xz file format, 5.3.1: 2 or 3 times a power of two.
  while (needed < property && (2 | (needed & 1)) * 2 ** ((needed >> 1) + 11) < size) needed++
  return needed
}

function readFilters(reader: ImageReader, start: number): { dictionary: number; hasX86Filter: boolean } {
  const flags = reader.uint8('block flags', start + 1)
  let at = start + 2
  for (const flag of [HAS_PACKED_SIZE, HAS_UNPACKED_SIZE]) {
    if ((flags & flag) !== 0) [, at] = variableLength(reader, 'block size', at)
  }
  const filters: { id: number; properties: Uint8Array; at: number }[] = []
  for (let count = (flags & FILTER_COUNT) + 1; count > 0; count--) {
    const [id, lengthAt] = variableLength(reader, 'filter', at)
    const [length, propertiesAt] = variableLength(reader, 'filter properties', lengthAt)
    filters.push({ id, at, properties: reader.slice('filter properties', propertiesAt, length) })
    at = propertiesAt + length
  }
  const last = filters.at(-1)
  const dictionary = last?.properties[0]
  if (last?.id !== FILTER_LZMA2 || dictionary === undefined) throw reader.fault('filter', at, 'the last is not LZMA2')
  for (const { id, properties, at: filterAt } of filters.slice(0, -1)) {
    // A property would be a start offset, which no kernel has.
    if (id !== FILTER_X86 || properties.length > 0 || filters.length > 2) {
      throw reader.fault('filter', filterAt, `filter ${hex(id)} is not supported`)
    }
  }
  return { dictionary, hasX86Filter: filters.length === 2 }
}
