import { KvmError } from './errors.js'
import { hex, show } from './format.js'
import { nearest } from './nearest.js'

/** The error for an argument that is not what it must be. */
export function invalidArgument(name: string, value: unknown, expected: string): KvmError {
  return new KvmError('ERR_KVM_INVALID_ARGUMENT', `${name} must be ${expected}, not ${show(value)}`, {
    operands: { argument: name, value },
  })
}

const MOST_SUGGESTIONS = 3

/** The error for a name that is none of these, with those that were perhaps meant. `what` is what it should name: `CPU feature`. */
export function unknownName(what: string, name: unknown, names: readonly string[]): KvmError {
  const near = typeof name === 'string' ? nearest(name, names).slice(0, MOST_SUGGESTIONS) : []
  const hint = near.length === 0 ? '' : `; did you mean ${near.join(', ')}?`
  return new KvmError('ERR_KVM_INVALID_ARGUMENT', `there is no ${what} ${show(name)}${hint}`, {
    operands: { argument: what, value: name, near },
  })
}

/** A whole number from `min` to `max`, both included and both below 2^53. */
export function checkInteger(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    const top = max > 0xffff ? hex(max) : String(max)
    throw invalidArgument(name, value, `a whole number from ${min} to ${top}`)
  }
  return value + 0 // -0 becomes 0
}

/** A bigint that fits in 64 bits without a sign. */
export function checkUint64(name: string, value: unknown): bigint {
  if (typeof value !== 'bigint' || value < 0n || value > 0xffff_ffff_ffff_ffffn) {
    throw invalidArgument(name, value, 'a bigint from 0n to 2n**64n - 1n')
  }
  return value
}

export function checkInt64(name: string, value: unknown): bigint {
  if (typeof value !== 'bigint' || value < -0x8000_0000_0000_0000n || value > 0x7fff_ffff_ffff_ffffn) {
    throw invalidArgument(name, value, 'a bigint from -(2n**63n) to 2n**63n - 1n')
  }
  return value
}

export function checkBoolean(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalidArgument(name, value, 'true or false')
  return value
}

export function checkOneOf<T extends string>(name: string, value: unknown, choices: readonly T[]): T {
  const choice = choices.find((candidate) => candidate === value)
  if (choice === undefined) {
    throw invalidArgument(name, value, `one of ${choices.map((candidate) => `'${candidate}'`).join(', ')}`)
  }
  return choice
}

const realLength = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'length') as {
  get: (this: Uint8Array) => number
}

/** A Uint8Array (a Buffer is one), not detached, of `length` bytes when that is given. */
export function checkBytes(name: string, value: unknown, length?: number): Uint8Array {
  // A proxy is none, and one that says to have another length than it has would be believed below.
  if (!(value instanceof Uint8Array) || !ArrayBuffer.isView(value) || value.length !== realLength.get.call(value)) {
    throw invalidArgument(name, value, 'a Uint8Array')
  }
  if (length !== undefined && value.length !== length) {
    throw new KvmError('ERR_KVM_INVALID_ARGUMENT', `${name} must have ${length} bytes, not ${value.length}`, {
      operands: { argument: name, length: value.length, expected: length },
    })
  }
  // A detached array looks empty: what the caller meant to pass has gone elsewhere.
  if (value.length === 0 && isDetached(value.buffer)) throw invalidArgument(name, value, 'not detached')
  return value
}

// More than the kernel takes of anything in one call.
const MOST_ITEMS = 2 ** 16

/** Anything that can be iterated, but a string; `what` says of what. */
export function checkList<T>(name: string, values: Iterable<T>, what: string): T[] {
  const given: unknown = values
  if (typeof given !== 'object' || given === null || typeof values[Symbol.iterator] !== 'function') {
    throw invalidArgument(name, given, `a list of ${what}`)
  }
  const list: T[] = []
  for (const value of values) {
    if (list.length === MOST_ITEMS) throw invalidArgument(name, given, `at most ${MOST_ITEMS} ${what}`)
    list.push(value)
  }
  return list
}

/** A list of pairs. */
export function checkPairs(
  name: string,
  values: Iterable<readonly [unknown, unknown]>,
  what: string,
): [unknown, unknown][] {
  return checkList(name, values, what).map((pair: unknown) => {
    if (!Array.isArray(pair)) throw invalidArgument(name, pair, `a list of ${what}`)
    return [pair[0], pair[1]]
  })
}

// ArrayBuffer.prototype.detached came with Node 21.
function isDetached(buffer: ArrayBufferLike): boolean {
  try {
    new Uint8Array(buffer)
    return false
  } catch {
    return true
  }
}

/** An options object with no other keys than these: a misspelled option must not pass silently. */
export function checkOptions(name: string, value: unknown, known: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgument(name, value, 'an object')
  }
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) {
      throw new KvmError('ERR_KVM_INVALID_ARGUMENT', `${name} has no option '${key}'; it has ${known.join(', ')}`, {
        operands: { argument: name, option: key },
      })
    }
  }
  return value as Record<string, unknown>
}
