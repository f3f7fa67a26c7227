import { checkBytes } from '../validate.js'

export type ImageFormat = 'bzimage' | 'elf' | 'multiboot' | 'multiboot2' | 'unknown'

const BOOT_FLAG = 0x1fe
const HEADER = 0x202

/**
 * What an image is, by its magic numbers alone; its loader checks the rest. A flat binary has none, and so is `unknown`.
 * A kernel that is Multiboot is so before it is ELF: its author has put the header there on purpose.
 */
export function detectFormat(image: Uint8Array): ImageFormat {
  checkBytes('image', image)
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength)
  const has = (offset: number, ...bytes: number[]) => bytes.every((byte, index) => image[offset + index] === byte)
  if (has(HEADER, 0x48, 0x64, 0x72, 0x53) && has(BOOT_FLAG, 0x55, 0xaa)) return 'bzimage'
  if (findMultiboot2Header(view) !== undefined) return 'multiboot2'
  if (findMultiboot1Header(view) !== undefined) return 'multiboot'
  return has(0, 0x7f, 0x45, 0x4c, 0x46) ? 'elf' : 'unknown'
}

// Multiboot 0.6.96, 3.1.1: within the first 8192 bytes, aligned to 4; three words that sum up to 0.
const MULTIBOOT1_MAGIC = 0x1bad_b002
const MULTIBOOT1_WINDOW = 8192
// Multiboot 2.0, 3.1.1: within the first 32768 bytes, aligned to 8; four words that sum up to 0.
const MULTIBOOT2_MAGIC = 0xe852_50d6
const MULTIBOOT2_WINDOW = 32768

/** The header's offset. */
export function findMultiboot1Header(view: DataView): number | undefined {
  return findHeader(view, MULTIBOOT1_MAGIC, { window: MULTIBOOT1_WINDOW, align: 4, words: 3 })
}

/** The header's offset. */
export function findMultiboot2Header(view: DataView): number | undefined {
  return findHeader(view, MULTIBOOT2_MAGIC, { window: MULTIBOOT2_WINDOW, align: 8, words: 4 })
}

/** A magic number without the right checksum is a coincidence, and the search goes on. */
function findHeader(
  view: DataView,
  magic: number,
  { window, align, words }: { window: number; align: number; words: number },
): number | undefined {
  const last = Math.min(window, view.byteLength) - 4 * words
  for (let offset = 0; offset <= last; offset += align) {
    if (view.getUint32(offset, true) !== magic) continue
    let sum = 0
    for (let word = 0; word < words; word++) sum += view.getUint32(offset + 4 * word, true)
    if (sum % 2 ** 32 === 0) return offset
  }
  return undefined
}
