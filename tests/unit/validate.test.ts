import { describe, expect, test } from 'vitest'

import { checkBoolean, checkBytes, checkInteger, checkOneOf, checkOptions, checkUint64 } from '../../lib/validate.js'
import { expectRefusal, NOT_OBJECTS, NOT_UINT64S, NOT_WHOLE_NUMBERS } from '../thrown.js'

describe('whole numbers', () => {
  test('the first and the last of the range pass, one beyond each is refused', () => {
    expect(checkInteger('x', 3, 3, 7)).toBe(3)
    expect(checkInteger('x', 7, 3, 7)).toBe(7)
    expectRefusal(() => checkInteger('x', 2, 3, 7), 'ERR_KVM_INVALID_ARGUMENT', /x must be .* from 3 to 7, not 2/)
    expectRefusal(() => checkInteger('x', 8, 3, 7), 'ERR_KVM_INVALID_ARGUMENT')
  })

  test.each(NOT_WHOLE_NUMBERS.map((value) => [value]))('%s is refused, and named in the operands', (value) => {
    const error = expectRefusal(() => checkInteger('x', value, 0, 2 ** 52), 'ERR_KVM_INVALID_ARGUMENT', /^x must be/)
    expect(error.operands).toEqual({ argument: 'x', value })
  })

  test('-0 counts as 0, and does not go on as -0', () => {
    expect(checkInteger('x', -0, 0, 1)).toBe(0)
  })
})

describe('64-bit words', () => {
  test('0 and 2^64 - 1 pass', () => {
    expect(checkUint64('x', 0n)).toBe(0n)
    expect(checkUint64('x', 2n ** 64n - 1n)).toBe(2n ** 64n - 1n)
  })

  test.each(NOT_UINT64S.map((value) => [value]))('%s is refused', (value) => {
    expectRefusal(() => checkUint64('x', value), 'ERR_KVM_INVALID_ARGUMENT', /bigint/)
  })
})

test('only true and false are booleans', () => {
  expect([checkBoolean('x', true), checkBoolean('x', false)]).toEqual([true, false])
  for (const value of [0, 1, 'true', null, undefined, {}]) {
    expectRefusal(() => checkBoolean('x', value), 'ERR_KVM_INVALID_ARGUMENT')
  }
})

test('one of a list of words', () => {
  expect(checkOneOf('x', 'b', ['a', 'b'])).toBe('b')
  for (const value of ['c', 'A', '', 0, null, ['a']]) {
    expectRefusal(() => checkOneOf('x', value, ['a', 'b']), 'ERR_KVM_INVALID_ARGUMENT', /'a', 'b'/)
  }
})

describe('bytes', () => {
  test('a Uint8Array, a Buffer and an empty one pass', () => {
    for (const bytes of [Uint8Array.of(1), Buffer.from([1]), new Uint8Array(0)]) {
      expect(checkBytes('x', bytes)).toBe(bytes)
    }
  })

  test('one byte short and one byte long are refused, with both lengths', () => {
    for (const length of [3, 5]) {
      const error = expectRefusal(() => checkBytes('x', new Uint8Array(length), 4), 'ERR_KVM_INVALID_ARGUMENT')
      expect(error.operands).toEqual({ argument: 'x', length, expected: 4 })
    }
  })

  test('arrays of other element types, plain arrays and buffers are refused', () => {
    const buffer = new ArrayBuffer(8)
    const others = [new Uint16Array(buffer), new Int8Array(buffer), new DataView(buffer), buffer, [1], 'x', null]
    for (const value of others) expectRefusal(() => checkBytes('x', value), 'ERR_KVM_INVALID_ARGUMENT', /Uint8Array/)
  })

  test('what says to have another length than it has, and what only looks like an array, are refused', () => {
    class Liar extends Uint8Array {
      override get length(): number {
        return 4
      }
    }
    const own = Object.defineProperty(new Uint8Array(8), 'length', { value: 4 })
    const likes = [own, new Liar(8), new Proxy(new Uint8Array(4), {}), Object.create(Uint8Array.prototype) as unknown]
    for (const value of likes) {
      expectRefusal(() => checkBytes('x', value, 4), 'ERR_KVM_INVALID_ARGUMENT', /x must be a Uint8Array/)
    }
  })

  test('a detached array is refused rather than taken for an empty one', () => {
    const bytes = new Uint8Array(8)
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
    expectRefusal(() => checkBytes('x', bytes), 'ERR_KVM_INVALID_ARGUMENT', /detached/)
  })
})

describe('options', () => {
  test('known ones pass', () => {
    expect(checkOptions('x', { a: 1 }, ['a', 'b'])).toEqual({ a: 1 })
  })

  test('a misspelled one is named, with what there is', () => {
    const error = expectRefusal(() => checkOptions('x', { c: 1 }, ['a', 'b']), 'ERR_KVM_INVALID_ARGUMENT', /'c'.*a, b/)
    expect(error.operands).toEqual({ argument: 'x', option: 'c' })
  })

  test.each(NOT_OBJECTS.map((value) => [value]))('%s is no options object', (value) => {
    expectRefusal(() => checkOptions('x', value, ['a']), 'ERR_KVM_INVALID_ARGUMENT', /an object/)
  })
})
