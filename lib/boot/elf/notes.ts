import { ImageReader } from '../image-reader.js'
import type { ElfImage } from './parse.js'

// A note (System V ABI, "Note Section"): three words, then the name and the descriptor, each padded.
const DESCSZ = 4
const TYPE = 8
const HEADER_SIZE = 12

export interface ElfNote {
  name: string
  type: number
  descriptor: Uint8Array
  /** Offset of the descriptor in the image. */
  offset: number
}

/** Every note of an image. One that ends past its segment is refused. */
export function* elfNotes({ notes }: ElfImage): Generator<ElfNote> {
  for (const { content, align, fault } of notes) {
    const reader = new ImageReader('ELF note', content)
    const pad = (length: number) => Math.ceil(length / (align === 8 ? 8 : 4)) * (align === 8 ? 8 : 4)
    for (let at = 0; at < content.length;) {
      const namesz = reader.uint32('n_namesz', at)
      const descsz = reader.uint32('n_descsz', at + DESCSZ)
      const type = reader.uint32('n_type', at + TYPE)
      const name = reader.slice('n_name', at + HEADER_SIZE, namesz)
      const descriptorAt = pad(at + HEADER_SIZE + namesz)
      const descriptor = reader.slice('n_desc', descriptorAt, descsz)
      const text = new TextDecoder('latin1').decode(name).replace(/\0+$/, '')
      yield { name: text, type, descriptor, offset: (fault.offset ?? 0) + descriptorAt }
      at = pad(descriptorAt + descsz)
    }
  }
}
