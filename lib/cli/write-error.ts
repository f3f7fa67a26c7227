import { codeOf } from './error-code.js'

const REASONS = new Map([
  ['ENOSPC', 'the disk is full'],
  ['EPIPE', 'nobody reads it any more'],
  ['EIO', 'the terminal has gone, or the disk has failed'],
])

/** The error of somebody who prints to `name`. */
export function writeError(name: string, cause: unknown): Error {
  const code = codeOf(cause)
  const error = new Error(`${name}: ${REASONS.get(code) ?? 'it cannot be written'} (${code})`, { cause })
  return Object.assign(error, { code })
}
