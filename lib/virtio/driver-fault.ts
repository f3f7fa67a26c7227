import { KvmError } from '../errors.js'

const CODE = 'ERR_KVM_VIRTIO_DRIVER'

/**
 * The guest's driver has broken a rule of the specification: the device stops, and asks to be reset. `rule` says what is wrong,
 * after the words "the driver".
 */
export function driverFault(rule: string, operands: Record<string, unknown> = {}): KvmError {
  return new KvmError(CODE, `the driver ${rule}; the device waits to be reset`, { operands })
}

export const isDriverFault = (error: unknown) => error instanceof KvmError && error.code === CODE
