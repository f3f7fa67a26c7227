import { hex } from '../../format.js'
import { ImageReader } from '../image-reader.js'
import type { ImageFault } from '../image-error.js'

// ELF header (System V ABI, chapter 4; ELF-64 object file format, 2). EI_* are offsets in e_ident.
const MAGIC = 0x464c_457f
const EI_CLASS = 4
const EI_DATA = 5
const EI_VERSION = 6
const E_TYPE = 16
const E_MACHINE = 18
const E_VERSION = 20
const E_ENTRY = 24

const CLASS_32 = 1
const CLASS_64 = 2
const LITTLE_ENDIAN = 1
const CURRENT_VERSION = 1
const ET_EXEC = 2
const ET_DYN = 3
const MACHINES = new Map([
  [3, 'i386'],
  [62, 'x86_64'],
] as const)
const PT_LOAD = 1
const PT_NOTE = 4
/** e_phnum when there are more program headers than it can say: sh_info of section 0 has their number. */
const PN_XNUM = 0xffff
/** What bounds the work that program headers can ask for; kernels have fewer than ten that are loaded. */
const MAX_SEGMENTS = 128

/** Offsets that depend on the class: in the ELF header, in a program header, and in a section header. */
const LAYOUTS = {
  32: {
    ...{ phoff: 28, shoff: 32, phentsize: 42, phnum: 44, entrySize: 32 },
    ...{ offset: 4, vaddr: 8, paddr: 12, filesz: 16, memsz: 20, align: 28 },
    sectionInfo: 28,
  },
  64: {
    ...{ phoff: 32, shoff: 40, phentsize: 54, phnum: 56, entrySize: 56 },
    ...{ offset: 8, vaddr: 16, paddr: 24, filesz: 32, memsz: 40, align: 48 },
    sectionInfo: 44,
  },
} as const

export interface ElfSegment {
  /** As in the program headers, counted from 0. */
  index: number
  content: Uint8Array
  vaddr: bigint
  paddr: number
  memsz: number
  /** Where p_paddr is, for messages. */
  fault: ImageFault
}

/** The content of a PT_NOTE segment. */
export interface ElfNotes {
  content: Uint8Array
  /** Where in the image it is. */
  offset: number
  /** p_align as it stands there: neither 0 nor another oddity is a reason to refuse a kernel. */
  align: number
}

export interface ElfImage {
  elfClass: 32 | 64
  machine: 'i386' | 'x86_64'
  entry: bigint
  /** PT_LOAD segments that take memory. */
  segments: ElfSegment[]
  notes: ElfNotes[]
  /** Bytes of the whole image. */
  size: number
}

export const ENTRY_FAULT: ImageFault = { image: 'ELF', field: 'e_entry', offset: E_ENTRY }

/** Reads the headers of an executable for x86, and refuses what does not add up. */
export function parseElf(image: Uint8Array): ElfImage {
  const reader = new ImageReader('ELF', image)
  const magic = reader.uint32('e_ident', 0)
  if (magic !== MAGIC) throw reader.fault('e_ident', 0, `${hex(magic)} is not "\\x7fELF"`)
  const classNumber = reader.uint8('EI_CLASS', EI_CLASS)
  if (classNumber !== CLASS_32 && classNumber !== CLASS_64) {
    throw reader.fault('EI_CLASS', EI_CLASS, `${classNumber} is neither 1 (32 bits) nor 2 (64 bits)`)
  }
  const elfClass = classNumber === CLASS_64 ? 64 : 32
  expect(reader, 'EI_DATA', EI_DATA, reader.uint8('EI_DATA', EI_DATA), [LITTLE_ENDIAN], 'little-endian')
  expect(reader, 'EI_VERSION', EI_VERSION, reader.uint8('EI_VERSION', EI_VERSION), [CURRENT_VERSION], 'current')
  expect(reader, 'e_type', E_TYPE, reader.uint16('e_type', E_TYPE), [ET_EXEC, ET_DYN], 'an executable')
  const machineNumber = reader.uint16('e_machine', E_MACHINE)
  const machine = MACHINES.get(machineNumber as 3 | 62)
  if (machine === undefined) throw reader.fault('e_machine', E_MACHINE, `${machineNumber} is neither i386 nor x86-64`)
  expect(reader, 'e_version', E_VERSION, reader.uint32('e_version', E_VERSION), [CURRENT_VERSION], 'current')
  const entry = reader.bigWord(elfClass, 'e_entry', E_ENTRY)
  return { elfClass, machine, entry, size: image.length, ...parseProgramHeaders(reader, elfClass) }
}

function expect(reader: ImageReader, field: string, offset: number, value: number, legal: number[], what: string) {
  if (!legal.includes(value)) throw reader.fault(field, offset, `${value} is not ${legal.join(' or ')}: not ${what}`)
}

function parseProgramHeaders(reader: ImageReader, elfClass: 32 | 64): Pick<ElfImage, 'segments' | 'notes'> {
  const layout = LAYOUTS[elfClass]
  const phoff = reader.word(elfClass, 'e_phoff', layout.phoff)
  const phentsize = reader.uint16('e_phentsize', layout.phentsize)
  if (phentsize < layout.entrySize) {
    throw reader.fault('e_phentsize', layout.phentsize, `${phentsize} is less than ${layout.entrySize}`)
  }
  const phnum = readCount(reader, elfClass)
  reader.slice('e_phoff', phoff, phnum * phentsize)

  const segments: ElfSegment[] = []
  const notes: ElfNotes[] = []
  for (let index = 0; index < phnum; index++) {
    const at = phoff + index * phentsize
    const type = reader.uint32('p_type', at)
    if (type === PT_NOTE) {
      const note = readNotes(reader, elfClass, at)
      if (note !== undefined && notes.length < MAX_SEGMENTS) notes.push(note)
    } else if (type === PT_LOAD) {
      const segment = readSegment(reader, elfClass, at, index)
      if (segment.memsz > 0) segments.push(segment)
    }
    if (segments.length > MAX_SEGMENTS) {
      throw reader.fault('e_phnum', layout.phnum, `more than ${MAX_SEGMENTS} segments take memory`)
    }
  }
  if (segments.length === 0) throw reader.fault('e_phnum', layout.phnum, 'no PT_LOAD segment takes any memory')
  usePhysical(segments)
  return { segments, notes }
}

/** System V ABI, chapter 4, "e_phnum". */
function readCount(reader: ImageReader, elfClass: 32 | 64): number {
  const { phnum, shoff, sectionInfo } = LAYOUTS[elfClass]
  const count = reader.uint16('e_phnum', phnum)
  if (count !== PN_XNUM) return count
  const section = reader.word(elfClass, 'e_shoff', shoff)
  if (section === 0) throw reader.fault('e_phnum', phnum, 'section 0, which would have the number, is not there')
  return reader.uint32('sh_info', section + sectionInfo)
}

function readSegment(reader: ImageReader, elfClass: 32 | 64, at: number, index: number): ElfSegment {
  const layout = LAYOUTS[elfClass]
  const filesz = reader.word(elfClass, 'p_filesz', at + layout.filesz)
  const memsz = reader.word(elfClass, 'p_memsz', at + layout.memsz)
  if (filesz > memsz) {
    throw reader.fault('p_filesz', at + layout.filesz, `${hex(filesz)} is more than p_memsz, ${hex(memsz)}`)
  }
  const fault = { image: 'ELF', field: 'p_paddr', offset: at + layout.paddr }
  return {
    index,
    content: readContent(reader, elfClass, at, filesz),
    vaddr: reader.bigWord(elfClass, 'p_vaddr', at + layout.vaddr),
    // What takes no memory may have any address.
    paddr: memsz === 0 ? 0 : reader.word(elfClass, 'p_paddr', at + layout.paddr),
    memsz,
    fault,
  }
}

/** Segments that have nothing in the file, as .bss alone has, may say that it lies anywhere, past its end too. */
function readContent(reader: ImageReader, elfClass: 32 | 64, at: number, filesz: number): Uint8Array {
  if (filesz === 0) return new Uint8Array()
  const offsetAt = at + LAYOUTS[elfClass].offset
  const offset = reader.word(elfClass, 'p_offset', offsetAt)
  if (offset + filesz <= reader.length) return reader.slice('p_offset', offset, filesz)
  const problem = `${hex(filesz)} bytes at ${hex(offset)} end past the image, which has ${hex(reader.length)}`
  throw reader.fault('p_offset', offsetAt, problem)
}

/** Undefined when there is nothing to read: notes that are not there are no reason to refuse a kernel. */
function readNotes(reader: ImageReader, elfClass: 32 | 64, at: number): ElfNotes | undefined {
  const layout = LAYOUTS[elfClass]
  const offset = Number(reader.bigWord(elfClass, 'p_offset', at + layout.offset))
  const filesz = Number(reader.bigWord(elfClass, 'p_filesz', at + layout.filesz))
  if (filesz === 0 || offset + filesz > reader.length) return undefined
  const align = Number(reader.bigWord(elfClass, 'p_align', at + layout.align))
  return { content: reader.slice('p_offset', offset, filesz), offset, align }
}

/**
 * Linkers that know no physical addresses leave all of them 0 (System V ABI: "unspecified contents"). The virtual ones are
 * then meant, as binutils has it, too.
 */
function usePhysical(segments: ElfSegment[]): void {
  if (segments.some(({ paddr }) => paddr !== 0)) return
  for (const segment of segments) {
    if (segment.vaddr <= BigInt(Number.MAX_SAFE_INTEGER)) segment.paddr = Number(segment.vaddr)
  }
}
