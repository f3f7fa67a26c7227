import { KvmError, type KvmErrorCode } from 'node-kvm'
import { expect } from 'vitest'

/** The KvmError that a call throws. Any other error, and none, fails the test. */
export function thrownBy(call: () => unknown): KvmError {
  try {
    call()
  } catch (error) {
    if (error instanceof KvmError) return error
    throw new Error('the call threw something that is not a KvmError', { cause: error })
  }
  throw new Error('the call threw nothing')
}

/** Holds that a call throws a KvmError with this code, and a message that matches. */
export function expectRefusal(call: () => unknown, code: KvmErrorCode, message = /./): KvmError {
  const error = thrownBy(call)
  expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)])
  return error
}

/** Holds that a promise is rejected with a KvmError with that code. */
export async function expectRejection(promise: Promise<unknown>, code: KvmErrorCode, message = /./): Promise<KvmError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof KvmError)) throw new Error('no KvmError came', { cause: error })
  expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)])
  return error
}

/** Numbers that are no address, size or count, whatever the range. */
export const NOT_WHOLE_NUMBERS: readonly unknown[] = [
  -1,
  0.5,
  NaN,
  Infinity,
  -Infinity,
  2 ** 53,
  2 ** 64,
  -(2 ** 53),
  '1',
  1n,
  true,
  null,
  {},
  [1],
  Symbol('one'),
  () => 1,
]

/** Values that do not fit in 64 bits without a sign. */
export const NOT_UINT64S: readonly unknown[] = [-1n, 2n ** 64n, -(2n ** 63n), 0, 1, NaN, '1', null, true, {}, [1n]]

/** Values that are no options object. */
export const NOT_OBJECTS: readonly unknown[] = [null, 0, 1n, '', 'x', true, [], Symbol('x'), () => ({})]
