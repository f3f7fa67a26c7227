import { lazy } from './lazy.js'

/** `0x1000`, for addresses and registers in messages. */
export function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`
}

const SHORT = new Map([
  ['\t', '\\t'],
  ['\n', '\\n'],
  ['\r', '\\r'],
])

/** Made when it is needed: V8 builds the set of all these characters as soon as it reads the pattern in the source. */
const unprintable = lazy(() => new RegExp('[\\p{C}\\p{Zl}\\p{Zp}]', 'gu'))

/**
 * Text from a guest or an image, for a message: one line, which terminals and logs show and do not obey. Controls (C1, too),
 * characters without a shape, those that turn a line around and those that end one become `\n`, `\x1b` or `\u{202e}`. Done
 * twice, it is as done once.
 */
export function printable(text: string): string {
  return text.replace(unprintable(), (character) => {
    const code = character.codePointAt(0) ?? 0
    const digits = code.toString(16)
    return SHORT.get(character) ?? (code <= 0xff ? `\\x${digits.padStart(2, '0')}` : `\\u{${digits}}`)
  })
}

/** Several lines of such text. None stands at the beginning of a line, where logs of CI jobs would take it for a command. */
export function printableLines(lines: readonly string[]): string[] {
  return lines.map((line) => `  | ${printable(line)}`)
}

/** The same in quotation marks, at most so many characters of it. */
export function quote(text: string, length = text.length): string {
  return printable(JSON.stringify(text.length > length ? `${text.slice(0, length)}…` : text))
}

/** What somebody threw, for a message. */
export function describeThrown(thrown: unknown): string {
  return thrown instanceof Error ? printable(thrown.message === '' ? thrown.name : thrown.message) : show(thrown)
}

/** A value of any type, short enough for a message. */
export function show(value: unknown): string {
  if (typeof value === 'string') return quote(value, 40)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object'
  return String(value)
}
