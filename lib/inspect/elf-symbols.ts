import { hex } from '../format.js'
import { ImageReader } from '../image/image-reader.js'
import { allocateSymbols, CODE, GLOBAL, MAX_NAME_LENGTH, MAX_SYMBOLS, type RawSymbols } from './symbols.js'

// ELF header, section header and symbol (System V ABI, chapter 4; ELF-64 object file format, 2, 3 and 5).
export const ELF_MAGIC = 0x464c_457f
const EI_CLASS = 4
const EI_DATA = 5
const CLASS_32 = 1
const CLASS_64 = 2
const LITTLE_ENDIAN = 1
const SHT_SYMTAB = 2
const SHT_STRTAB = 3
const SHF_EXECINSTR = 4
const SHN_LORESERVE = 0xff00
const STB_LOCAL = 0
const STT_NOTYPE = 0
const STT_OBJECT = 1
const STT_FUNC = 2
/** What bounds the work that a header can ask for; kernels have fewer than a hundred. */
const MAX_SECTIONS = 4096

const SECTION_TYPE = 4

/** Offsets that depend on the class: in the ELF header, in a section header, and in a symbol. */
const LAYOUTS = {
  32: {
    header: { shoff: 32, shentsize: 46, shnum: 48, sectionSize: 40 },
    section: { flags: 8, offset: 16, size: 20, link: 24, entsize: 36 },
    symbol: { value: 4, info: 12, shndx: 14, size: 16 },
  },
  64: {
    header: { shoff: 40, shentsize: 58, shnum: 60, sectionSize: 64 },
    section: { flags: 8, offset: 24, size: 32, link: 40, entsize: 56 },
    symbol: { value: 8, info: 4, shndx: 6, size: 24 },
  },
} as const

interface Section {
  /** Where its header is. */
  at: number
  type: number
  executable: boolean
  link: number
  /** Where the members are that are read when the section is used. */
  offsetAt: number
  sizeAt: number
  entsizeAt: number
}

/** Reads the symbol table (.symtab) of an ELF file: functions, objects and labels that have an address. */
export function parseElfSymbols(image: Uint8Array): RawSymbols {
  const reader = new ImageReader('ELF', image)
  const magic = reader.uint32('e_ident', 0)
  if (magic !== ELF_MAGIC) throw reader.fault('e_ident', 0, `${hex(magic)} is not "\\x7fELF"`)
  const elfClass = reader.uint8('EI_CLASS', EI_CLASS)
  if (elfClass !== CLASS_32 && elfClass !== CLASS_64) {
    throw reader.fault('EI_CLASS', EI_CLASS, `${elfClass} is neither 1 (32 bits) nor 2 (64 bits)`)
  }
  const order = reader.uint8('EI_DATA', EI_DATA)
  if (order !== LITTLE_ENDIAN) throw reader.fault('EI_DATA', EI_DATA, `${order} is not 1 (little-endian)`)
  const bits = elfClass === CLASS_64 ? 64 : 32
  const sections = readSections(reader, bits)
  const table = sections.find(({ type }) => type === SHT_SYMTAB)
  if (table === undefined) {
    const { shnum } = LAYOUTS[bits].header
    throw reader.fault('e_shnum', shnum, 'no section is a symbol table: the file is stripped')
  }
  return readTable(reader, bits, sections, table)
}

function readSections(reader: ImageReader, bits: 32 | 64): Section[] {
  const { header, section } = LAYOUTS[bits]
  const address = (field: string, at: number) => (bits === 64 ? reader.uint64(field, at) : reader.uint32(field, at))
  const shoff = address('e_shoff', header.shoff)
  const shentsize = reader.uint16('e_shentsize', header.shentsize)
  const shnum = reader.uint16('e_shnum', header.shnum)
  if (shnum > MAX_SECTIONS) {
    throw reader.fault('e_shnum', header.shnum, `${shnum} sections; ${MAX_SECTIONS} are allowed`)
  }
  if (shnum > 0 && shentsize !== header.sectionSize) {
    throw reader.fault('e_shentsize', header.shentsize, `${shentsize} is not ${header.sectionSize}`)
  }
  reader.slice('e_shoff', shoff, shnum * shentsize)
  return Array.from({ length: shnum }, (_, index) => {
    const at = shoff + index * shentsize
    return {
      at,
      type: reader.uint32('sh_type', at + SECTION_TYPE),
      executable: (reader.uint32('sh_flags', at + section.flags) & SHF_EXECINSTR) !== 0,
      link: reader.uint32('sh_link', at + section.link),
      offsetAt: at + section.offset,
      sizeAt: at + section.size,
      entsizeAt: at + section.entsize,
    }
  })
}

/** Where a section's content is, all of it within the file. */
function contentOf(reader: ImageReader, bits: 32 | 64, section: Section): { start: number; size: number } {
  const read = (field: string, at: number) => (bits === 64 ? reader.uint64(field, at) : reader.uint32(field, at))
  const start = read('sh_offset', section.offsetAt)
  const size = read('sh_size', section.sizeAt)
  reader.slice('sh_offset', start, size)
  return { start, size }
}

function readTable(reader: ImageReader, bits: 32 | 64, sections: Section[], table: Section): RawSymbols {
  const { section, symbol } = LAYOUTS[bits]
  const entsize =
    bits === 64 ? reader.uint64('sh_entsize', table.entsizeAt) : reader.uint32('sh_entsize', table.entsizeAt)
  if (entsize !== symbol.size) throw reader.fault('sh_entsize', table.entsizeAt, `${entsize} is not ${symbol.size}`)
  const { start, size } = contentOf(reader, bits, table)
  const count = Math.floor(size / symbol.size)
  if (count > MAX_SYMBOLS) throw reader.fault('sh_size', table.sizeAt, `${count} symbols; ${MAX_SYMBOLS} are allowed`)
  const strings = sections[table.link]
  if (strings?.type !== SHT_STRTAB) {
    throw reader.fault('sh_link', table.at + section.link, `section ${table.link} is not a string table`)
  }
  const text = contentOf(reader, bits, strings)
  const raw = allocateSymbols(reader.bytes, count)
  const names = reader.bytes.subarray(text.start, text.start + text.size)
  for (let at = start; at + symbol.size <= start + count * symbol.size; at += symbol.size) {
    const nameOffset = reader.uint32('st_name', at)
    const info = reader.uint8('st_info', at + symbol.info)
    const shndx = reader.uint16('st_shndx', at + symbol.shndx)
    const type = info & 0xf
    if (type !== STT_NOTYPE && type !== STT_OBJECT && type !== STT_FUNC) continue
    // Undefined, absolute and common symbols have no address in the image.
    if (nameOffset === 0 || shndx === 0 || shndx >= SHN_LORESERVE) continue
    const home = sections[shndx]
    if (home === undefined) {
      throw reader.fault('st_shndx', at + symbol.shndx, `${shndx} is no section; there are ${sections.length}`)
    }
    if (nameOffset >= text.size) {
      throw reader.fault(
        'st_name',
        at,
        `${hex(nameOffset)} lies past the string table, which has ${hex(text.size)} bytes`,
      )
    }
    const longest = names.subarray(nameOffset, nameOffset + MAX_NAME_LENGTH)
    const nul = longest.indexOf(0)
    const index = raw.count++
    raw.low[index] = reader.uint32('st_value', at + symbol.value)
    if (bits === 64) raw.high[index] = reader.uint32('st_value', at + symbol.value + 4)
    raw.nameStart[index] = text.start + nameOffset
    raw.nameLength[index] = nul < 0 ? longest.length : nul
    raw.flags[index] = (home.executable && type !== STT_OBJECT ? CODE : 0) | (info >> 4 === STB_LOCAL ? 0 : GLOBAL)
  }
  if (raw.count === 0) throw reader.fault('sh_size', table.sizeAt, 'no symbol has an address')
  return raw
}
