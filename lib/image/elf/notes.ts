import type { ElfImage } from './parse.js'

// A note (System V ABI, "Note Section"): three words, then the name and the descriptor, each padded.
const DESCSZ = 4
const TYPE = 8
const HEADER_SIZE = 12

export interface ElfNote {
  descriptor: Uint8Array
  /** Offset of the descriptor in the image. */
  offset: number
}

/**
 * The first note of this name and type. What cannot be read as notes has none: nobody who boots a kernel has to understand
 * all that it carries. Segments may share their bytes, so no more of them is read than an image without that would have.
 */
export function findNote(image: ElfImage, name: string, type: number): ElfNote | undefined {
  let left = image.size
  for (const { content, offset, align } of image.notes) {
    left -= content.length
    if (left < 0) return undefined
    // Kernels pad to 4 bytes whatever p_align says, as their linker scripts put several sections into one segment. The
    // specification wants 8 in files of 64 bits.
    const found = findPadded(content, { name, type, padding: 4 })
    const note = found ?? (align === 8 ? findPadded(content, { name, type, padding: 8 }) : undefined)
    if (note !== undefined) return { descriptor: note.descriptor, offset: offset + note.offset }
  }
  return undefined
}

function findPadded(
  content: Uint8Array,
  { name, type, padding }: { name: string; type: number; padding: number },
): ElfNote | undefined {
  const view = new DataView(content.buffer, content.byteOffset, content.length)
  const wanted = Buffer.from(`${name}\0`, 'latin1')
  const pad = (length: number) => Math.ceil(length / padding) * padding
  for (let at = 0; at + HEADER_SIZE <= content.length;) {
    const namesz = view.getUint32(at, true)
    const descsz = view.getUint32(at + DESCSZ, true)
    const nameAt = at + HEADER_SIZE
    const descriptorAt = pad(nameAt + namesz)
    const end = descriptorAt + descsz
    if (end > content.length) return undefined
    const isWanted =
      view.getUint32(at + TYPE, true) === type &&
      namesz === wanted.length &&
      wanted.compare(content, nameAt, nameAt + namesz) === 0
    if (isWanted) return { descriptor: content.subarray(descriptorAt, end), offset: descriptorAt }
    at = pad(end)
  }
  return undefined
}
