// AML: the byte code of the DSDT (ACPI 6.5, chapter 20). Each function returns one encoded object.

export type Aml = readonly number[]

// Opcodes (ACPI 6.5, table 20.2).
const ZERO_OP = 0x00
const ONE_OP = 0x01
const NAME_OP = 0x08
const BYTE_PREFIX = 0x0a
const WORD_PREFIX = 0x0b
const DWORD_PREFIX = 0x0c
const QWORD_PREFIX = 0x0e
const STRING_PREFIX = 0x0d
const SCOPE_OP = 0x10
const BUFFER_OP = 0x11
const PACKAGE_OP = 0x12
const METHOD_OP = 0x14
const DEVICE_OP = [0x5b, 0x82]
const NOTIFY_OP = 0x86
/** Of a method's flags (ACPI 6.5, 20.2.5.2): it runs once at a time. */
const SERIALIZED = 1 << 3

const ROOT = '\\'
const DUAL_NAME_PREFIX = 0x2e
const MULTI_NAME_PREFIX = 0x2f

/** A segment of a path. */
export const NAME_SEGMENT = /^[A-Z_][A-Z0-9_]{0,3}$/
export const EISA_ID = /^[A-Z]{3}[0-9A-F]{4}$/

// A machine builds its tables once, with code that V8 has not optimized: hence loops, and concat() instead of spreading, which
// V8 then does byte by byte.

export function ascii(text: string): number[] {
  const codes: number[] = []
  for (let index = 0; index < text.length; index++) codes.push(text.charCodeAt(index))
  return codes
}

/** A whole number from 0 to 2^53 - 1. */
export function littleEndian(value: number, length: number): number[] {
  const bytes: number[] = []
  for (let rest = value; bytes.length < length; rest = Math.floor(rest / 0x100)) bytes.push(rest % 0x100)
  return bytes
}

/** An integer in as few bytes as it needs. */
export function integer(value: number): Aml {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`no AML integer: ${value}`)
  if (value === 0) return [ZERO_OP]
  if (value === 1) return [ONE_OP]
  if (value <= 0xff) return [BYTE_PREFIX, value]
  if (value <= 0xffff) return [WORD_PREFIX].concat(littleEndian(value, 2))
  if (value <= 0xffff_ffff) return [DWORD_PREFIX].concat(littleEndian(value, 4))
  return [QWORD_PREFIX].concat(littleEndian(value, 8))
}

export function string(text: string): Aml {
  if (!/^[ -~]*$/.test(text)) throw new RangeError(`no AML string: ${text}`)
  return [STRING_PREFIX].concat(ascii(text), 0)
}

/** A path such as `\_SB.COM1`: segments of four characters, shorter ones filled up with underscores. */
export function nameString(path: string): Aml {
  const isAbsolute = path.startsWith(ROOT)
  const segments = path.slice(isAbsolute ? 1 : 0).split('.')
  const encoded = segments.flatMap((segment) => {
    if (!NAME_SEGMENT.test(segment)) throw new RangeError(`no ACPI name: ${path}`)
    return ascii(segment.padEnd(4, '_'))
  })
  const prefix =
    segments.length === 1 ? [] : segments.length === 2 ? [DUAL_NAME_PREFIX] : [MULTI_NAME_PREFIX, segments.length]
  return ascii(isAbsolute ? ROOT : '').concat(prefix, encoded)
}

/** A compressed EISA identifier such as `PNP0501` (ACPI 6.5, 19.3.4). */
export function eisaId(id: string): Aml {
  if (!EISA_ID.test(id)) throw new RangeError(`no EISA identifier: ${id}`)
  const letters = ascii(id.slice(0, 3)).reduce((value, letter) => value * 32 + (letter - 0x40), 0)
  const product = parseInt(id.slice(3), 16)
  // Big-endian within the DWORD.
  return [DWORD_PREFIX, letters >> 8, letters & 0xff, product >> 8, product & 0xff]
}

/** A length that counts its own bytes (ACPI 6.5, 20.2.4), and then the body. */
function sized(body: Aml): Aml {
  if (body.length + 1 <= 0x3f) return [body.length + 1].concat(body)
  for (const following of [1, 2, 3]) {
    const length = body.length + 1 + following
    if (length >= 2 ** (4 + 8 * following)) continue
    return [(following << 6) | (length & 0xf)].concat(littleEndian(length >>> 4, following), body)
  }
  throw new RangeError(`an AML object of ${body.length} bytes is too long`)
}

export function name(path: string, value: Aml): Aml {
  return [NAME_OP].concat(nameString(path), value)
}

export function scope(path: string, objects: readonly Aml[]): Aml {
  return [SCOPE_OP].concat(sized(nameString(path).concat(...objects)))
}

export function device(path: string, objects: readonly Aml[]): Aml {
  return DEVICE_OP.concat(sized(nameString(path).concat(...objects)))
}

/** `path` is called with up to seven arguments, once at a time, and does `body`. */
export function method(path: string, args: number, body: Aml): Aml {
  return [METHOD_OP].concat(sized(nameString(path).concat(args | SERIALIZED, body)))
}

/** Tells the driver of the device `path`. */
export function notify(path: string, value: number): Aml {
  return [NOTIFY_OP].concat(nameString(path), integer(value))
}

export function packageOf(elements: readonly Aml[]): Aml {
  if (elements.length > 0xff) throw new RangeError('an AML package has at most 255 elements')
  return [PACKAGE_OP].concat(sized([elements.length].concat(...elements)))
}

export function buffer(bytes: readonly number[]): Aml {
  return [BUFFER_OP].concat(sized(integer(bytes.length).concat(bytes)))
}
