// ELF files with a symbol table and nothing else.
import { type Field, setField, type Width } from '../boot/images.js'

export interface ElfSymbol {
  name: string
  value: bigint | number
  /** STT_*: 0 no type, 1 object, 2 function, 3 section, 4 file. */
  type?: number
  /** STB_*: 0 local, 1 global. */
  bind?: number
  /** 1 is code, 2 is data. */
  section?: number
}

/** Where things are in the image that {@link elfWithSymbols} makes: section headers by name, and the symbols. */
export const LAYOUT = {
  32: { header: 52, sectionSize: 40, symbolSize: 16, shoff: 32, shentsize: 46, shnum: 48 },
  64: { header: 64, sectionSize: 64, symbolSize: 24, shoff: 40, shentsize: 58, shnum: 60 },
} as const

const SECTIONS = ['null', 'text', 'data', 'symtab', 'strtab'] as const

/** Offset of a section header. */
export function sectionAt(bits: 32 | 64, name: (typeof SECTIONS)[number]): number {
  return LAYOUT[bits].header + SECTIONS.indexOf(name) * LAYOUT[bits].sectionSize
}

/** Offset of a symbol; the first is the table's empty one. */
export function symbolAt(bits: 32 | 64, index: number): number {
  return LAYOUT[bits].header + SECTIONS.length * LAYOUT[bits].sectionSize + index * LAYOUT[bits].symbolSize
}

export function elfWithSymbols(
  symbols: readonly ElfSymbol[],
  bits: 32 | 64 = 64,
  changes: readonly Field[] = [],
): Uint8Array {
  const { header, sectionSize, symbolSize, shoff, shentsize, shnum } = LAYOUT[bits]
  const word: Width = bits === 64 ? 8 : 4
  const strings = ['', ...symbols.map(({ name }) => name)]
  const stringsAt = symbolAt(bits, symbols.length + 1)
  const text = Buffer.from(`${strings.join('\0')}\0`, 'latin1')
  const image = new Uint8Array(stringsAt + text.length)
  image.set(text, stringsAt)
  const set = (...fields: Field[]) => fields.forEach((field) => setField(image, field))
  set([0, 4, 0x464c_457f], [4, 1, bits === 64 ? 2 : 1], [5, 1, 1], [6, 1, 1], [16, 2, 2], [18, 2, bits === 64 ? 62 : 3])
  set([shoff, word, header], [shentsize, 2, sectionSize], [shnum, 2, SECTIONS.length])
  const [offsetAt, sizeAt, linkAt, entsizeAt] = bits === 64 ? [24, 32, 40, 56] : [16, 20, 24, 36]
  const section = (name: (typeof SECTIONS)[number], type: number, flags: number, start = 0, size = 0) => {
    const at = sectionAt(bits, name)
    set([at + 4, 4, type], [at + 8, word, flags], [at + offsetAt, word, start], [at + sizeAt, word, size])
  }
  section('text', 1, 6)
  section('data', 1, 3)
  section('symtab', 2, 0, symbolAt(bits, 0), (symbols.length + 1) * symbolSize)
  set([sectionAt(bits, 'symtab') + linkAt, 4, 4], [sectionAt(bits, 'symtab') + entsizeAt, word, symbolSize])
  section('strtab', 3, 0, stringsAt, text.length)
  let name = 1
  const [valueAt, infoAt, shndxAt] = bits === 64 ? [8, 4, 6] : [4, 12, 14]
  for (const [index, symbol] of symbols.entries()) {
    const at = symbolAt(bits, index + 1)
    const { type = 2, bind = 1, section: home = 1 } = symbol
    set(
      [at, 4, name],
      [at + valueAt, word, symbol.value],
      [at + infoAt, 1, type | (bind << 4)],
      [at + shndxAt, 2, home],
    )
    name += symbol.name.length + 1
  }
  set(...changes)
  return image
}
