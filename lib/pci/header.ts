import { checkInteger, checkOptions } from '../validate.js'
import type { ConfigSpace } from './config-space.js'
import type { PciIdentity } from './pci-device.js'
import * as R from './registers.js'

const UINT16 = 0xffff
/** Base class, subclass and programming interface. */
const CLASS = 0xff_ffff

/** What of the header depends on the function. */
export interface Header {
  identity: PciIdentity
  /** Bits of the command register that do something here. */
  command: number
  /** INTA, or none. */
  pin: number
}

/** Fills the first 64 bytes of a configuration space, but for BARs and capabilities. */
export function writeHeader(space: ConfigSpace, { identity, command, pin }: Header): void {
  const members = ['vendor', 'device', 'class', 'revision', 'subsystemVendor', 'subsystem']
  checkOptions('identity', identity, members)
  const vendor = checkInteger('identity.vendor', identity.vendor, 0, UINT16 - 1)
  space.set(R.VENDOR_ID, 2, vendor)
  space.set(R.DEVICE_ID, 2, checkInteger('identity.device', identity.device, 0, UINT16))
  space.set(R.CLASS_CODE, 3, checkInteger('identity.class', identity.class, 0, CLASS))
  space.set(R.REVISION_ID, 1, checkInteger('identity.revision', identity.revision ?? 0, 0, 0xff))
  const { subsystemVendor = vendor, subsystem = 0 } = identity
  space.set(R.SUBSYSTEM_VENDOR_ID, 2, checkInteger('identity.subsystemVendor', subsystemVendor, 0, UINT16))
  space.set(R.SUBSYSTEM_ID, 2, checkInteger('identity.subsystem', subsystem, 0, UINT16))
  space.set(R.INTERRUPT_PIN, 1, pin)
  space.allow(R.COMMAND, 2, command)
  space.allow(R.CACHE_LINE_SIZE, 1, 0xff)
  space.allow(R.INTERRUPT_LINE, 1, 0xff)
}
