import { ImageReader } from '../image-reader.js'

// The frame that `lz4 -l` makes, and so every kernel build (LZ4 Frame Format, "Legacy frame"): a magic number, then
// blocks of 8 MiB, each with its packed size. The block format is small, and the one library for it in plain
// JavaScript does not bound what a broken block makes it do; hence these lines.
export const LZ4_LEGACY_MAGIC = 0x184c_2102
const BLOCK_MAX = 8 * 1024 * 1024

// A sequence (LZ4 Block Format): a token with two lengths, literals, then a match within the last 64 KiB.
const LENGTH_GOES_ON = 15
const MIN_MATCH = 4

/** Unpacks exactly `size` bytes. */
export function unpackLz4(packed: Uint8Array, size: number): Uint8Array {
  const reader = new ImageReader('lz4 payload', packed)
  const output = new Uint8Array(size)
  let filled = 0
  for (let at = 4; at < packed.length;) {
    const blockSize = reader.uint32('block size', at)
    // Frames may follow each other.
    if (blockSize === LZ4_LEGACY_MAGIC) {
      at += 4
      continue
    }
    const block = reader.slice('block', at + 4, blockSize)
    filled = unpackBlock(reader, at + 4, block, output, filled)
    at += 4 + blockSize
  }
  if (filled !== size) throw reader.fault('size', packed.length, `${filled} bytes came out, not ${size}`)
  return output
}

/** Returns where the output ends after this block. */
function unpackBlock(reader: ImageReader, base: number, block: Uint8Array, output: Uint8Array, start: number): number {
  const end = Math.min(output.length, start + BLOCK_MAX)
  let from = 0
  let to = start
  const next = (): number => {
    const byte = block[from++]
    if (byte === undefined) throw reader.fault('block', base + from - 1, 'it ends in the middle of a sequence')
    return byte
  }
  const lengthOf = (bits: number): number => {
    let length = bits
    if (bits < LENGTH_GOES_ON) return length
    for (;;) {
      const byte = next()
      length += byte
      if (byte !== 0xff) return length
    }
  }
  while (from < block.length) {
    const token = next()
    const literals = lengthOf(token >> 4)
    if (literals > block.length - from) throw reader.fault('literals', base + from, 'they end past the block')
    if (literals > end - to) throw reader.fault('literals', base + from, 'more comes out than was announced')
    output.set(block.subarray(from, from + literals), to)
    from += literals
    to += literals
    if (from === block.length) break // the last sequence has no match
    const distance = next() | (next() << 8)
    const length = lengthOf(token & 0xf) + MIN_MATCH
    if (distance === 0 || distance > to - start) throw reader.fault('match', base + from, 'it lies before the block')
    if (length > end - to) throw reader.fault('match', base + from, 'more comes out than was announced')
    copyMatch(output, to, distance, length)
    to += length
  }
  return to
}

/** A match may overlap its own copy: what has been written is then read again. */
function copyMatch(output: Uint8Array, to: number, distance: number, length: number): void {
  if (distance >= length) output.copyWithin(to, to - distance, to - distance + length)
  else for (let index = 0; index < length; index++) output[to + index] = output[to + index - distance] ?? 0
}
