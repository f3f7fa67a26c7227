import { invalidArgument } from '../validate.js'

const UNITS: Record<string, number> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }

/** A size in bytes: a whole number, or a string like `512M` (K, M, G and T are powers of 1,024). */
export function parseSize(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  const match = typeof value === 'string' ? /^(\d{1,15})([KMGT]?)(?:i?B)?$/i.exec(value) : null
  const bytes = match === null ? NaN : Number(match[1]) * (UNITS[(match[2] ?? '').toUpperCase()] ?? NaN)
  if (!Number.isSafeInteger(bytes)) throw invalidArgument(name, value, "a size in bytes, or one like '512M' or '2G'")
  return bytes
}
