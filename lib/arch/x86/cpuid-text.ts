import { invalidArgument } from '../../validate.js'
import type { CpuidRegister, CpuidRegisters } from './cpuid-entry.js'

// Text in registers is ASCII, four characters each, the first one in the lowest byte; zeros fill the end.
const VENDOR = ['ebx', 'edx', 'ecx'] as const
const SIGNATURE = ['ebx', 'ecx', 'edx'] as const
const BRAND = ['eax', 'ebx', 'ecx', 'edx'] as const
const BRAND_LEAVES = 3
const SIGNATURE_LENGTH = 12
/** The last one of 48 is 0. */
const BRAND_LENGTH = 47

function readText(words: readonly number[]): string {
  const bytes = words.flatMap((word) => [word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24])
  return String.fromCharCode(...bytes).replace(/\0[^]*/, '')
}

function checkText(name: string, text: unknown, most: number): string {
  if (typeof text === 'string' && text.length <= most && /^[\x20-\x7e]*$/.test(text)) return text
  throw invalidArgument(name, text, `up to ${most} characters of ASCII`)
}

function word(text: string, at: number): number {
  return [0, 1, 2, 3].reduce((value, byte) => value + (text.charCodeAt(at + byte) || 0) * 2 ** (8 * byte), 0)
}

const wordsOf = (registers: CpuidRegisters | undefined, names: readonly CpuidRegister[]) =>
  names.map((name) => registers?.[name] ?? 0)

export const readVendor = (registers: CpuidRegisters | undefined) => readText(wordsOf(registers, VENDOR))
export const readSignature = (registers: CpuidRegisters) => readText(wordsOf(registers, SIGNATURE))

export function readBrand(leaves: readonly (CpuidRegisters | undefined)[]): string {
  return readText(leaves.flatMap((registers) => wordsOf(registers, BRAND))).trim()
}

export function signatureRegisters(signature: string): Omit<CpuidRegisters, 'eax'> {
  const text = checkText('signature', signature, SIGNATURE_LENGTH)
  return { ebx: word(text, 0), ecx: word(text, 4), edx: word(text, 8) }
}

/** Of the three leaves. */
export function brandRegisters(brand: string): CpuidRegisters[] {
  const text = checkText('brand', brand, BRAND_LENGTH)
  return Array.from({ length: BRAND_LEAVES }, (_, leaf) => {
    const [eax = 0, ebx = 0, ecx = 0, edx = 0] = [0, 4, 8, 12].map((at) => word(text, 16 * leaf + at))
    return { eax, ebx, ecx, edx }
  })
}
