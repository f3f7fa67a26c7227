import { imageError } from '../image/image-error.js'
import { quote } from '../format.js'
import { allocateSymbols, CODE, GLOBAL, MAX_NAME_LENGTH, MAX_SYMBOLS, type RawSymbols } from './symbols.js'

const IMAGE = 'System.map'
const NEWLINE = 0x0a
const SPACE = 0x20
const TAB = 0x09
/** An address of 16 digits, a type, a name, and for kallsyms a module's name; longer lines are refused. */
const MAX_LINE = 2048
/** So much of a line is in a message. */
const SHOWN = 60

/** Letters of nm (binutils manual, nm): those that have a capital form for global symbols, and `?`. */
const TYPE = /^[A-Za-z?-]$/
/** Text, and text that other definitions override. */
const CODE_TYPES = 'tTwW'

/**
 * Reads what `nm` prints: `ffffffff81000000 T _text`, a line for each symbol. A kernel's System.map is that, and so is
 * /proc/kallsyms, whose modules' names in brackets are passed over.
 */
export function parseSystemMap(bytes: Uint8Array): RawSymbols {
  const raw = allocateSymbols(bytes, countLines(bytes))
  let line = 1
  for (let start = 0; start < bytes.length; line++) {
    const found = bytes.indexOf(NEWLINE, start)
    const end = found < 0 ? bytes.length : found
    if (end > start) addLine(raw, { start, end, line })
    start = end + 1
  }
  if (raw.count === 0) throw imageError({ image: IMAGE, field: 'symbols' }, 'there are none')
  return raw
}

function countLines(bytes: Uint8Array): number {
  let count = 1
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count++
  if (count <= MAX_SYMBOLS) return count
  throw imageError({ image: IMAGE, field: 'symbols' }, `${count} lines; ${MAX_SYMBOLS} are allowed`, { count })
}

function addLine(raw: RawSymbols, { start, end, line }: { start: number; end: number; line: number }): void {
  const { names: bytes } = raw
  const fault = (field: string, offset: number, problem: string) =>
    imageError({ image: IMAGE, field: `line ${line}, ${field}`, offset }, problem, { line })
  if (end - start > MAX_LINE) throw fault('length', start, `${end - start} bytes; ${MAX_LINE} are allowed`)
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
  const digits = /^[0-9A-Fa-f]*/.exec(text)?.[0].length ?? 0
  if (digits === 0 || digits > 16 || bytes[start + digits] !== SPACE) {
    throw fault('address', start, `${quote(text, SHOWN)} does not begin with an address of 1 to 16 digits and a space`)
  }
  const type = text.charAt(digits + 1)
  if (!TYPE.test(type) || text.charAt(digits + 2) !== ' ') {
    throw fault(
      'type',
      start + digits + 1,
      `${quote(text.slice(digits + 1), SHOWN)} does not begin with a letter and a space`,
    )
  }
  const nameStart = start + digits + 3
  const tab = bytes.subarray(nameStart, end).indexOf(TAB)
  const nameEnd = tab < 0 ? end : nameStart + tab
  const name = text.slice(digits + 3, nameEnd - start)
  // A file of one line with a sentence in it is what Debian installs in place of a System.map.
  if (!/^[^\s\0]+$/.test(name)) throw fault('name', nameStart, `${quote(name, SHOWN)} is no name`)
  const index = raw.count++
  const padded = text.slice(0, digits).padStart(16, '0')
  raw.high[index] = Number.parseInt(padded.slice(0, 8), 16)
  raw.low[index] = Number.parseInt(padded.slice(8), 16)
  raw.nameStart[index] = nameStart
  raw.nameLength[index] = Math.min(nameEnd - nameStart, MAX_NAME_LENGTH)
  raw.flags[index] = (CODE_TYPES.includes(type) ? CODE : 0) | (type === type.toUpperCase() ? GLOBAL : 0)
}
