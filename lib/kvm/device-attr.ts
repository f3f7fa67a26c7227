import { checkInteger, checkOptions, checkUint64, invalidArgument } from '../validate.js'
import { errnoName, type Fd, type Operands } from './fd.js'
import { kvm_device_attr } from './generated/common.js'

/** Which attribute is meant (KVM API, KVM_SET_DEVICE_ATTR and its documents on devices). */
export interface DeviceAttr {
  /** KVM_DEV_*_GRP_* and the like. */
  group: number
  attr: bigint
}

// The kernel alone knows how long an attribute is; none is longer (native/ioctl_table.cc).
const MOST_BYTES = 4096

function attrBytes(attribute: DeviceAttr): { bytes: Uint8Array; operands: Operands } {
  const { group, attr } = checkOptions('attribute', attribute, ['group', 'attr'])
  const operands = { group: checkInteger('group', group, 0, 0xffff_ffff), attr: checkUint64('attr', attr) }
  return { bytes: kvm_device_attr.bytes(operands), operands }
}

/** KVM_HAS_DEVICE_ATTR. */
export function hasDeviceAttr(fd: Fd, attribute: DeviceAttr): boolean {
  const { bytes, operands } = attrBytes(attribute)
  const result = fd.tryIoctl('KVM_HAS_DEVICE_ATTR', bytes)
  if (result === 0) return true
  if (['ENXIO', 'ENODEV', 'EPERM', 'ENOTTY'].includes(errnoName(-result))) return false
  throw fd.refusal('KVM_HAS_DEVICE_ATTR', -result, operands)
}

/** KVM_GET_DEVICE_ATTR: the first `length` bytes of what the kernel wrote. `given` is what it reads first. */
export function getDeviceAttr(fd: Fd, attribute: DeviceAttr, length: number, given?: Uint8Array): Uint8Array {
  const { bytes, operands } = attrBytes(attribute)
  const size = checkInteger('length', length, 0, MOST_BYTES)
  const value = valueBytes(given ?? new Uint8Array(0))
  fd.ioctl('KVM_GET_DEVICE_ATTR', bytes, operands, value)
  return value.slice(0, size)
}

/** KVM_SET_DEVICE_ATTR. An attribute that is an order, and has no value, takes none. */
export function setDeviceAttr(fd: Fd, attribute: DeviceAttr, value?: Uint8Array): void {
  const { bytes, operands } = attrBytes(attribute)
  fd.ioctl('KVM_SET_DEVICE_ATTR', bytes, operands, valueBytes(value ?? new Uint8Array(0)))
}

function valueBytes(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length > MOST_BYTES) {
    throw invalidArgument('value', value, `at most ${MOST_BYTES} bytes`)
  }
  const room = new Uint8Array(MOST_BYTES)
  room.set(value)
  return room
}

/** The calls that everything with attributes has: devices, and the system, VMs and vCPUs for some of theirs. */
export interface DeviceAttrCalls {
  /** KVM_HAS_DEVICE_ATTR. */
  hasDeviceAttr(attribute: DeviceAttr): boolean
  /** KVM_GET_DEVICE_ATTR: its value, of `length` bytes. `given` is what the kernel reads of the value first, where it does. */
  getDeviceAttr(attribute: DeviceAttr, length: number, given?: Uint8Array): Uint8Array
  /** KVM_SET_DEVICE_ATTR. An attribute that is an order has no value. */
  setDeviceAttr(attribute: DeviceAttr, value?: Uint8Array): void
}
