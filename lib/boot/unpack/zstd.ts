import { Decompress } from 'fzstd'
import { imageError } from '../image-error.js'

export const ZSTD_MAGIC = 0xfd2f_b528
/** What is fed at a time: output past the announced size is noticed after at most this much input. */
const STEP = 64 * 1024

/** Unpacks exactly `size` bytes. */
export function unpackZstd(packed: Uint8Array, size: number): Uint8Array {
  const fault = { image: 'zstd payload', field: 'frame' }
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
