import { KvmError } from '../errors.js'
import { show } from '../format.js'

/**
 * Reads a saved state as what it is: input. A member that is absent or out of range throws `ERR_KVM_INVALID_STATE`. A device
 * reads all members before it changes any of its own.
 */
export class StateReader {
  readonly #device: string
  readonly #members: Record<string, unknown>

  constructor(device: string, state: unknown) {
    this.#device = device
    if (typeof state !== 'object' || state === null || Array.isArray(state)) {
      throw this.#invalid('state', state, 'an object')
    }
    this.#members = state as Record<string, unknown>
  }

  /** A whole number from 0 to `max`, or from `min`. */
  integer(member: string, max: number, min = 0): number {
    const value = this.#members[member]
    if (!isInteger(value, min, max)) throw this.#invalid(member, value, `a whole number from ${min} to ${max}`)
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

  #invalid(member: string, value: unknown, expected: string): KvmError {
    return new KvmError(
      'ERR_KVM_INVALID_STATE',
      `the saved state of ${this.#device} is wrong: ${member} must be ${expected}, not ${show(value)}`,
      { operands: { device: this.#device, member, value } },
    )
  }
}

function isInteger(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
}
