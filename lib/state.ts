import { KvmError } from './errors.js'
import { hex, show } from './format.js'

/** What every device's state begins with: by it a later library knows how to read the rest. */
export interface Versioned {
  version: number
}

/**
 * Reads a saved state as what it is: input. A member that is absent or out of range throws `ERR_KVM_INVALID_STATE`. A device
 * reads all members before it changes any of its own.
 */
export class StateReader {
  readonly #device: string
  /** Where this object lies within the whole state: `sregs.cs.`; for messages. */
  readonly #path: string
  readonly #members: Record<string, unknown>

  /** `version`: what the device reads; a state of another one is refused. Left out for an object within a state. */
  constructor(device: string, state: unknown, version?: number, path = '') {
    this.#device = device
    this.#path = path
    if (typeof state !== 'object' || state === null || Array.isArray(state)) {
      throw this.#invalid('', state, 'an object')
    }
    this.#members = state as Record<string, unknown>
    if (version !== undefined && this.#members['version'] !== version) throw this.#otherVersion(version)
  }

  /** A whole number from 0 to `max`, or from `min`. */
  integer(member: string, max: number, min = 0): number {
    const value = this.#members[member]
    if (!isInteger(value, min, max)) throw this.#invalid(member, value, `a whole number from ${min} to ${max}`)
    return value
  }

  /** A bigint of up to 64 bits, which JSON carries as `hex()` writes it: `0x1000`. */
  uint64(member: string): bigint {
    const value = this.#members[member]
    if (!isHex(value)) throw this.#invalid(member, value, 'a hexadecimal number of up to 64 bits, such as "0x1000"')
    return BigInt(value)
  }

  /** A whole number with no bits but those of `mask`, and with all of `always`. */
  bits(member: string, mask: number, always = 0): number {
    const value = this.#members[member]
    if (!isInteger(value, 0, mask | always) || (value & ~(mask | always)) !== 0 || (value & always) !== always) {
      const expected = `a number made of the bits ${hex(mask | always)}${always === 0 ? '' : `, with ${hex(always)} set`}`
      throw this.#invalid(member, value, expected)
    }
    return value
  }

  /** A finite number from `-max` to `max`. */
  number(member: string, max: number): number {
    const value = this.#members[member]
    if (typeof value !== 'number' || !(Math.abs(value) <= max)) {
      throw this.#invalid(member, value, `a number from ${-max} to ${max}`)
    }
    return value
  }

  boolean(member: string): boolean {
    const value = this.#members[member]
    if (typeof value !== 'boolean') throw this.#invalid(member, value, 'true or false')
    return value
  }

  oneOf<T extends string>(member: string, choices: readonly T[]): T {
    const value = this.#members[member]
    const choice = choices.find((candidate) => candidate === value)
    if (choice === undefined) throw this.#invalid(member, value, `one of ${choices.join(', ')}`)
    return choice
  }

  /** A text of at most `maxLength` characters. */
  string(member: string, maxLength: number): string {
    const value = this.#members[member]
    if (typeof value !== 'string' || value.length > maxLength) {
      throw this.#invalid(member, value, `a text of at most ${maxLength} characters`)
    }
    return value
  }

  /** An object, whatever is in it. */
  object(member: string): object {
    const value = this.#members[member]
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw this.#invalid(member, value, 'an object')
    }
    return value
  }

  /** An array of at most `most` members, whatever they are. */
  list(member: string, most: number): unknown[] {
    const value = this.#members[member]
    if (!Array.isArray(value) || value.length > most) throw this.#invalid(member, value, `an array of at most ${most}`)
    return value as unknown[]
  }

  /** An array of exactly `length` members, whatever they are. */
  array(member: string, length: number): unknown[] {
    const value = this.#members[member]
    if (!Array.isArray(value) || value.length !== length) throw this.#invalid(member, value, `an array of ${length}`)
    return value as unknown[]
  }

  /** At most `maxLength` whole numbers from 0 to `max`; exactly as many when `exact`. The copy is the caller's. */
  integers(member: string, maxLength: number, max = 0xff, exact = false): number[] {
    const value = this.#members[member]
    if (!Array.isArray(value) || value.length > maxLength || (exact && value.length !== maxLength)) {
      throw this.#invalid(member, value, `an array of ${exact ? '' : 'at most '}${maxLength} numbers`)
    }
    // A hole in the array reads as undefined here; every() would skip it.
    return Array.from(value as unknown[], (element) => {
      if (!isInteger(element, 0, max)) throw this.#invalid(member, element, `made of whole numbers from 0 to ${max}`)
      return element
    })
  }

  /** Exactly `length` bytes, or from `min`, as hexadecimal digits. */
  bytes(member: string, length: number, min = length): Uint8Array {
    const value = this.#members[member]
    if (typeof value !== 'string' || !isInteger(value.length / 2, min, length) || !/^[0-9a-f]*$/.test(value)) {
      const digits = min === length ? `${2 * length}` : `an even number, ${2 * min} to ${2 * length}, of`
      throw this.#invalid(member, value, `${digits} hexadecimal digits`)
    }
    return Uint8Array.from(Buffer.from(value, 'hex'))
  }

  /** Whether there is such a member: of a state, some parts may be left out. */
  has(member: string): boolean {
    return Object.hasOwn(this.#members, member)
  }

  /** An object within the state. */
  part(member: string): StateReader {
    return new StateReader(this.#device, this.#members[member], undefined, `${this.#path}${member}.`)
  }

  /** An array of at most `most` objects; of no fewer than `least`. */
  parts(member: string, most: number, least = 0): StateReader[] {
    const value = this.#members[member]
    if (!Array.isArray(value) || value.length > most || value.length < least) {
      throw this.#invalid(member, value, least === most ? `an array of ${most}` : `an array of ${least} to ${most}`)
    }
    const at = (index: number) => `${this.#path}${member}[${index}].`
    return Array.from(value as unknown[], (part, index) => new StateReader(this.#device, part, undefined, at(index)))
  }

  /** An array of exactly `length` bigints, each as {@link uint64}. */
  uint64s(member: string, length: number): bigint[] {
    return Array.from(this.array(member, length), (value) => {
      if (!isHex(value)) throw this.#invalid(member, value, 'made of hexadecimal numbers of up to 64 bits')
      return BigInt(value)
    })
  }

  /** A member whose value is possible by itself, and not with the rest, or not here. */
  refuse(member: string, expected: string): KvmError {
    return this.#invalid(member, this.#members[member], expected)
  }

  #otherVersion(known: number): KvmError {
    const { version } = this.#members
    return new KvmError(
      'ERR_KVM_INVALID_STATE',
      `the saved state of ${this.#device} has version ${show(version)}, and this library reads version ${known}; restore it with the library that saved it`,
      { operands: { device: this.#device, member: 'version', value: version } },
    )
  }

  #invalid(name: string, value: unknown, expected: string): KvmError {
    const member = name === '' ? this.#path.slice(0, -1) || 'state' : `${this.#path}${name}`
    return new KvmError(
      'ERR_KVM_INVALID_STATE',
      `the saved state of ${this.#device} is wrong: ${member} must be ${expected}, not ${show(value)}`,
      { operands: { device: this.#device, member, value } },
    )
  }
}

function isHex(value: unknown): value is string {
  return typeof value === 'string' && /^0x(?:0|[1-9a-f][0-9a-f]{0,15})$/.test(value)
}

function isInteger(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
}
