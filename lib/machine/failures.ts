import { KvmError } from '../errors.js'
import { describeThrown } from '../format.js'
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

/** The same for what may return a promise: what was thrown at once, and all of it once every promise has settled. */
export function callAllAsync(callbacks: readonly (() => Promise<void> | undefined)[]) {
  const pending: Promise<unknown>[] = []
  const thrown = callAll(callbacks.map((call) => () => void pending.push(Promise.resolve(call()))))
  const settled = Promise.allSettled(pending).then((results) => [
    ...thrown,
    ...results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : [])),
  ])
  return { thrown, settled }
}

/** What a device says that went wrong: an error with its code. */
export function deviceError(cause: unknown): KvmError {
  if (cause instanceof KvmError && cause.code === 'ERR_KVM_DEVICE_FAILED') return cause
  return new KvmError('ERR_KVM_DEVICE_FAILED', `a device failed: ${describeThrown(cause)}`, { cause })
}

/** What is thrown for errors of which the last `late` came from devices that were told of the end: one error for all. */
export function failure(errors: readonly unknown[], late: number, outcome?: Outcome): unknown {
  const [cause] = errors
  if (errors.length === 1 && late === 0) return cause
  const texts = errors.map(describeThrown).join('; ')
  return new KvmError(
    'ERR_KVM_DEVICE_FAILED',
    `${errors.length === 1 ? 'a device failed' : 'several things failed'} when the guest's life ended: ${texts}`,
    { operands: { errors, ...(outcome === undefined ? {} : { outcome }) }, cause },
  )
}
