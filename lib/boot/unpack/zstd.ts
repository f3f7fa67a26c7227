import { Decompress } from 'fzstd'
import { imageError } from '../image-error.js'
import { ImageReader } from '../image-reader.js'

/** What is fed at a time: output past the announced size is noticed after at most this much input. */
const STEP = 64 * 1024

// Frame header (RFC 8878, 3.1.1.1).
const DESCRIPTOR = 4
const WINDOW = 5
const SINGLE_SEGMENT = 1 << 5
const CONTENT_SIZE_WIDTHS = [1, 2, 4, 8]
/** Kernels are packed with windows of up to this, and no unpacker has to take more (RFC 8878, 3.1.1.1.2). */
const MAX_WINDOW = 128 * 1024 * 1024

/** Unpacks exactly `size` bytes. */
export function unpackZstd(packed: Uint8Array, size: number): Uint8Array {
  const fault = { image: 'zstd payload', field: 'frame' }
  checkWindow(new ImageReader('zstd payload', packed), size)
  const output = new Uint8Array(size)
  let filled = 0
  const decompress = new Decompress((chunk) => {
    if (chunk.length > size - filled) throw imageError(fault, `more than the announced ${size} bytes come out`)
    output.set(chunk, filled)
    filled += chunk.length
  })
  for (let at = 0; at < packed.length; at += STEP) {
    decompress.push(packed.subarray(at, at + STEP), at + STEP >= packed.length)
  }
  if (filled !== size) throw imageError(fault, `${filled} bytes came out, not ${size}`)
  return output
}

/** The library allocates what the frame asks for. */
function checkWindow(reader: ImageReader, size: number): void {
  const descriptor = reader.uint8('Frame_Header_Descriptor', DESCRIPTOR)
  if ((descriptor & SINGLE_SEGMENT) === 0) {
    const byte = reader.uint8('Window_Descriptor', WINDOW)
    const base = 2 ** (10 + (byte >> 3))
    const window = base + (base / 8) * (byte & 7)
    if (window <= MAX_WINDOW) return
    throw reader.fault('Window_Descriptor', WINDOW, `a window of ${window} bytes; ${MAX_WINDOW} are allowed`, {
      window,
    })
  }
  // The content is its own window.
  const dictionaryWidth = [0, 1, 2, 4][descriptor & 3] ?? 0
  const width = CONTENT_SIZE_WIDTHS[descriptor >> 6] ?? 1
  const bytes = reader.slice('Frame_Content_Size', WINDOW + dictionaryWidth, width)
  const content = bytes.reduce((sum, byte, index) => sum + byte * 256 ** index, width === 2 ? 256 : 0)
  if (content > size) {
    throw reader.fault('Frame_Content_Size', WINDOW + dictionaryWidth, `${content} bytes are more than ${size}`)
  }
}
