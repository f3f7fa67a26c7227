import { hex } from '../../format.js'
import { findMultiboot2Header } from '../detect-format.js'
import type { ImageReader } from '../../image/image-reader.js'

// Multiboot 2.0, 3.1: the header, and its tags.
const ARCHITECTURE = 4
const HEADER_LENGTH = 8
const TAGS = 16
const ARCHITECTURE_I386 = 0

const TAG_FLAGS = 2
const TAG_SIZE = 4
const TAG_CONTENT = 8
const OPTIONAL = 1 << 0
const TAG = {
  end: 0,
  informationRequest: 1,
  address: 2,
  entryAddress: 3,
  consoleFlags: 4,
  framebuffer: 5,
  moduleAlign: 6,
  efiBootServices: 7,
  efiEntry32: 8,
  efiEntry64: 9,
  relocatable: 10,
} as const
/** Met by every load, meant for an EFI loader, or a preference, as the graphics mode is (3.1.10). */
const HARMLESS: readonly number[] = [
  TAG.framebuffer,
  TAG.moduleAlign,
  TAG.efiBootServices,
  TAG.efiEntry32,
  TAG.efiEntry64,
  TAG.relocatable,
]
const CONSOLE_REQUIRED = 1 << 0

/** Types of the information that the kernel gets (3.4). */
export const INFO = { end: 0, cmdline: 1, loaderName: 2, module: 3, memory: 4, memoryMap: 6 } as const
/** The load base address, the last type that the specification knows. */
const LAST_INFO = 21

export interface Multiboot2Header {
  offset: number
  /** Offset of the address tag's fields. */
  addressFields: number | undefined
  entry: { value: number; offset: number } | undefined
}

/** Reads the header and refuses what it demands and no one here has. */
export function parseMultiboot2Header(reader: ImageReader): Multiboot2Header {
  const { bytes } = reader
  const header = findMultiboot2Header(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  if (header === undefined) throw reader.fault('magic', 0, 'no header with a right checksum in the first 32768 bytes')
  const architecture = reader.uint32('architecture', header + ARCHITECTURE)
  if (architecture !== ARCHITECTURE_I386) {
    throw reader.fault('architecture', header + ARCHITECTURE, `${architecture} is not 0, i386`)
  }
  const end = header + reader.uint32('header_length', header + HEADER_LENGTH)
  reader.slice('header_length', header, end - header)

  const found: Multiboot2Header = { offset: header, addressFields: undefined, entry: undefined }
  for (let at = header + TAGS; ;) {
    if (at + TAG_CONTENT > end) throw reader.fault('tag', at, 'the header ends without an end tag')
    const type = reader.uint16('tag type', at)
    const size = reader.uint32('tag size', at + TAG_SIZE)
    if (size < TAG_CONTENT || at + size > end) throw reader.fault('tag size', at + TAG_SIZE, `${hex(size)} is no size`)
    if (type === TAG.end) return found
    const isOptional = (reader.uint16('tag flags', at + TAG_FLAGS) & OPTIONAL) !== 0
    readTag(reader, { type, at, size, isOptional }, found)
    at += Math.ceil(size / 8) * 8
  }
}

interface Tag {
  type: number
  at: number
  size: number
  isOptional: boolean
}

function readTag(reader: ImageReader, { type, at, size, isOptional }: Tag, found: Multiboot2Header): void {
  const content = at + TAG_CONTENT
  if (type === TAG.address) {
    if (size < TAG_CONTENT + 16)
      throw reader.fault('tag size', at + TAG_SIZE, `${size} is too short for four addresses`)
    found.addressFields = content
  } else if (type === TAG.entryAddress) {
    if (size < TAG_CONTENT + 4) throw reader.fault('tag size', at + TAG_SIZE, `${size} is too short for an address`)
    found.entry = { value: reader.uint32('entry_addr', content), offset: content }
  } else if (!isOptional && !HARMLESS.includes(type)) {
    refuseDemand(reader, { type, at, size, isOptional })
  }
}

/** What is demanded, and not just wished for, must be there. */
function refuseDemand(reader: ImageReader, { type, at, size }: Tag): void {
  const content = at + TAG_CONTENT
  if (type === TAG.informationRequest) {
    for (let request = content; request + 4 <= at + size; request += 4) {
      const wanted = reader.uint32('mbi_tag_types', request)
      // What is known must be given "if it is available" (3.1.4): most of the other types are a firmware's.
      if (wanted > LAST_INFO) throw reader.fault('mbi_tag_types', request, `${wanted} is no type of information`)
    }
  } else if (type === TAG.consoleFlags) {
    const flags = size >= TAG_CONTENT + 4 ? reader.uint32('console_flags', content) : 0
    if ((flags & CONSOLE_REQUIRED) !== 0) throw reader.fault('console_flags', content, 'it wants a text console')
  } else {
    throw reader.fault('tag type', at, `it wants an unknown feature, ${type}`)
  }
}
