import { KvmError } from '../errors.js'
import type { Outcome } from './outcome.js'

/** Calls each of them, whatever the others do, and returns what they threw. */
export function callAll(callbacks: readonly (() => void)[]): unknown[] {
  const errors: unknown[] = []
  for (const callback of callbacks) {
    try {
      callback()
    } catch (error) {
      errors.push(error)
    }
  }
  return errors
}

/** What is thrown for errors of which the last `late` came from devices that were told of the end: one error for all. */
export function failure(errors: readonly unknown[], late: number, outcome?: Outcome): unknown {
  const [cause] = errors
  if (errors.length === 1 && late === 0) return cause
  const texts = errors.map(String).join('; ')
  return new KvmError(
    'ERR_KVM_DEVICE_FAILED',
    `${errors.length === 1 ? 'a device failed' : 'several things failed'} when the guest's life ended: ${texts}`,
    { operands: { errors, ...(outcome === undefined ? {} : { outcome }) }, cause },
  )
}
