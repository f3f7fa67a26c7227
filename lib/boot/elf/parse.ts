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
/** What bounds the work that a header can ask for; kernels have fewer than ten. */
const MAX_SEGMENTS = 128

/** Offsets that depend on the class: in the ELF header, and in a program header. */
const LAYOUTS = {
  32: {
    phoff: 28,
    phentsize: 42,
    phnum: 44,
    entrySize: 32,
    offset: 4,
    vaddr: 8,
    paddr: 12,
    filesz: 16,
    memsz: 20,
    align: 28,
  },
  64: {
    phoff: 32,
    phentsize: 54,
    phnum: 56,
    entrySize: 56,
    offset: 8,
    vaddr: 16,
    paddr: 24,
    filesz: 32,
    memsz: 40,
    align: 48,
  },
} as const

export interface ElfSegment {
  /** As in the program headers, counted from 0. */
  index: number
  content: Uint8Array
  vaddr: bigint
  paddr: number
  memsz: number
  align: number
  /** Where p_paddr is, for messages. */
  fault: ImageFault
}

export interface ElfImage {
  elfClass: 32 | 64
  machine: 'i386' | 'x86_64'
  entry: bigint
  /** PT_LOAD segments that take memory. */
  segments: ElfSegment[]
  /** PT_NOTE segments. */
  notes: ElfSegment[]
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
  const entry = elfClass === 64 ? reader.bigUint64('e_entry', E_ENTRY) : BigInt(reader.uint32('e_entry', E_ENTRY))
  return { elfClass, machine, entry, ...parseProgramHeaders(reader, elfClass) }
}

function expect(reader: ImageReader, field: string, offset: number, value: number, legal: number[], what: string) {
  if (!legal.includes(value)) throw reader.fault(field, offset, `${value} is not ${legal.join(' or ')}: not ${what}`)
}

function parseProgramHeaders(reader: ImageReader, elfClass: 32 | 64): { segments: ElfSegment[]; notes: ElfSegment[] } {
  const layout = LAYOUTS[elfClass]
  const address = (field: string, offset: number) =>
    elfClass === 64 ? reader.uint64(field, offset) : reader.uint32(field, offset)
  const phoff = address('e_phoff', layout.phoff)
  const phentsize = reader.uint16('e_phentsize', layout.phentsize)
  if (phentsize !== layout.entrySize) {
    throw reader.fault('e_phentsize', layout.phentsize, `${phentsize} is not ${layout.entrySize}`)
  }
  const phnum = reader.uint16('e_phnum', layout.phnum)
  if (phnum === 0 || phnum > MAX_SEGMENTS) {
    throw reader.fault('e_phnum', layout.phnum, `${phnum} program headers; 1 to ${MAX_SEGMENTS} are supported`)
  }
  reader.slice('e_phoff', phoff, phnum * phentsize)

  const segments: ElfSegment[] = []
  const notes: ElfSegment[] = []
  for (let index = 0; index < phnum; index++) {
    const at = phoff + index * phentsize
    const type = reader.uint32('p_type', at)
    if (type !== PT_LOAD && type !== PT_NOTE) continue
    const filesz = address('p_filesz', at + layout.filesz)
    const memsz = address('p_memsz', at + layout.memsz)
    const offset = address('p_offset', at + layout.offset)
    if (type === PT_LOAD && filesz > memsz) {
      throw reader.fault('p_filesz', at + layout.filesz, `${hex(filesz)} is more than p_memsz, ${hex(memsz)}`)
    }
    if (offset + filesz > reader.length) {
      const problem = `${hex(filesz)} bytes at ${hex(offset)} end past the image, which has ${hex(reader.length)}`
      throw reader.fault('p_offset', at + layout.offset, problem, { index })
    }
    const segment = {
      index,
      content: reader.slice('p_offset', offset, filesz),
      vaddr:
        elfClass === 64
          ? reader.bigUint64('p_vaddr', at + layout.vaddr)
          : BigInt(reader.uint32('p_vaddr', at + layout.vaddr)),
      // A note need not lie in memory, and then its address may be anything.
      paddr: type === PT_LOAD ? address('p_paddr', at + layout.paddr) : 0,
      memsz,
      align: Number(
        elfClass === 64 ? reader.bigUint64('p_align', at + layout.align) : reader.uint32('p_align', at + layout.align),
      ),
      fault: { image: 'ELF', field: 'p_paddr', offset: at + layout.paddr },
    }
    if (type === PT_NOTE) notes.push({ ...segment, fault: { ...segment.fault, field: 'p_offset', offset } })
    else if (memsz > 0) segments.push(segment)
  }
  if (segments.length === 0) throw reader.fault('e_phnum', layout.phnum, 'no PT_LOAD segment takes any memory')
  return { segments, notes }
}
