import { checkBoolean, checkInteger, invalidArgument } from '../validate.js'
import type { PciDevice } from './pci-device.js'
import { MSIX_MAX_VECTORS } from './registers.js'

const METHODS = ['reset', 'save', 'restore', 'pause', 'resume', 'close'] as const

/** Checks what a user's function has returned; its BARs, capabilities and identity are checked where they are used. */
export function checkDevice(device: PciDevice): PciDevice {
  if (typeof (device as unknown) !== 'object' || (device as unknown) === null) {
    throw invalidArgument('device', device, 'a PciDevice')
  }
  if (device.pin !== undefined) checkBoolean('pin', device.pin)
  checkInteger('vectors', device.vectors ?? 0, 0, MSIX_MAX_VECTORS)
  if (device.capabilities !== undefined && !Array.isArray(device.capabilities)) {
    throw invalidArgument('capabilities', device.capabilities, 'an array')
  }
  const members = device as unknown as Record<string, unknown>
  for (const name of METHODS) {
    const member = members[name]
    if (member !== undefined && typeof member !== 'function') throw invalidArgument(name, member, 'a function')
  }
  return device
}
