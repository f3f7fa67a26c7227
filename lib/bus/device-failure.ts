import { KvmError } from '../errors.js'
import { describeThrown, hex, printable } from '../format.js'
import type { Device } from './device.js'

/** The access in which a device threw. */
export interface FailedAccess {
  /** See {@link deviceName}. */
  device: string
  bus: 'port' | 'mmio'
  address: number
  /** The device's own, of the first byte. */
  offset: number
  /** In bytes. */
  length: number
  isWrite: boolean
  /** Whose access it was, where that is known. */
  vcpu?: number
  rip?: bigint | undefined
}

/** What messages call a device: the name that it was mapped with, or that of its class. */
export function deviceName(device: Device, name: string | undefined): string {
  if (name !== undefined) return name
  // An object without a prototype has no constructor.
  const made = (device.constructor as { name?: unknown } | undefined)?.name
  return typeof made === 'string' && made !== '' && made !== 'Object' ? made : 'a device'
}

/** The error for what a device threw: which device, in which access. */
export function deviceFailure(access: FailedAccess, cause: unknown): KvmError {
  const { device, bus, address, offset, length, isWrite, vcpu, rip } = access
  const kind = `a ${isWrite ? 'write' : 'read'} of ${length === 1 ? '1 byte' : `${length} bytes`}`
  const place = `${bus === 'port' ? 'port' : 'address'} ${hex(address)} (its offset ${hex(offset)})`
  const who = vcpu === undefined ? '' : ` by vCPU ${vcpu}${rip === undefined ? '' : ` at ${hex(rip)}`}`
  return new KvmError(
    'ERR_KVM_DEVICE_FAILED',
    `${printable(device)} failed in ${kind} at ${place}${who}: ${describeThrown(cause)}`,
    { operands: { ...access }, cause },
  )
}

/** The same failure of an access, once it is known whose access it was. Every other error is returned as it is. */
export function onVcpu(error: unknown, vcpu: number, rip: bigint | undefined): unknown {
  if (!(error instanceof KvmError) || error.operands['vcpu'] !== undefined) return error
  if (error.code === 'ERR_KVM_UNCLAIMED_ACCESS') {
    const message = `${error.message} (vCPU ${vcpu}${rip === undefined ? '' : ` at ${hex(rip)}`})`
    return new KvmError(error.code, message, { operands: { ...error.operands, vcpu, rip }, cause: error })
  }
  const access = error.operands as unknown as FailedAccess
  if (error.code !== 'ERR_KVM_DEVICE_FAILED' || typeof access.address !== 'number') return error
  return deviceFailure({ ...access, vcpu, ...(rip === undefined ? {} : { rip }) }, error.cause)
}
