import { KvmError, type KvmErrorCode } from '../errors.js'
import { adviceForDevice } from '../host/device.js'
import { kvmKind } from '../host/processor.js'
import { errnoName } from './fd.js'

const CODES: Record<string, KvmErrorCode> = {
  ENOENT: 'ERR_KVM_NO_DEVICE',
  ENODEV: 'ERR_KVM_NO_DEVICE',
  ENXIO: 'ERR_KVM_NO_DEVICE',
  EACCES: 'ERR_KVM_NO_PERMISSION',
  EPERM: 'ERR_KVM_NO_PERMISSION',
}

/** The error for a device that cannot be opened, from the error that the system call gave. */
export function openFailure(path: string, cause: unknown): KvmError {
  const { errno } = cause as { errno?: number }
  if (errno === undefined) return cause as KvmError
  const name = errnoName(errno)
  const advice = adviceForDevice(path, name)
  return new KvmError(
    CODES[name] ?? 'ERR_KVM_OPEN',
    `cannot use ${path} (${name})${advice === undefined ? '' : `: ${advice}`}`,
    { operands: { path, kind: kvmKind() }, errno, cause },
  )
}
