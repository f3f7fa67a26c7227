import { KvmError } from '../errors.js'
import { quote } from '../format.js'

/** `what` says what is wrong, after "the disk" and its path. */
export function diskError(
  path: string,
  what: string,
  operands: Record<string, unknown> = {},
  cause?: unknown,
): KvmError {
  return new KvmError('ERR_KVM_DISK', `the disk ${quote(path)} ${what}`, { operands: { path, ...operands }, cause })
}
