import { checkInteger, checkOneOf, checkOptions, invalidArgument } from '../../validate.js'
import { EISA_ID, NAME_SEGMENT } from './aml.js'
import type { AcpiDevice } from './devices.js'

/** Ports of the fixed hardware that a machine has (ACPI 6.5, 4.8). */
export interface AcpiPowerManagement {
  /** PM1a_EVT_BLK: PM1 status and enable, 4 bytes. */
  eventPort: number
  /** PM1a_CNT_BLK: 2 bytes. */
  controlPort: number
  /** PM_TMR_BLK: 4 bytes; absent when there is no PM timer. */
  timerPort?: number
  /** The value of SLP_TYP that powers the machine off: the first element of `\_S5`. */
  powerOffType: number
  /** Writing `value` to this port resets the machine. */
  reset?: { port: number; value: number }
}

export interface AcpiOptions {
  /** Local APIC identifiers of the vCPUs, the first one's first. */
  apicIds: readonly number[]
  ioApic: { id: number; address: number; gsiBase?: number }
  /** The GSI of the system control interrupt: level-triggered, active high. */
  sciGsi: number
  powerManagement: AcpiPowerManagement
  /** What exists beside the fixed hardware. */
  devices: readonly AcpiDevice[]
  /** CMOS index of the century; 0: none. */
  centuryRegister?: number
}

const MAX_PORT = 0xffff
const ACPI_ID = /^[A-Z0-9]{4}[0-9A-F]{4}$/
/** 255 addresses all of them. */
const MAX_APIC_ID = 254

/** Checks what a user gave; the tables are then built without another look. */
export function checkAcpiOptions(options: AcpiOptions): void {
  const known = ['apicIds', 'ioApic', 'sciGsi', 'powerManagement', 'devices', 'centuryRegister']
  checkOptions('options', options, known)
  if (!Array.isArray(options.apicIds) || options.apicIds.length === 0 || options.apicIds.length > MAX_APIC_ID + 1) {
    throw invalidArgument('apicIds', options.apicIds, `an array of 1 to ${MAX_APIC_ID + 1} numbers`)
  }
  for (const id of options.apicIds) checkInteger('apicIds', id, 0, MAX_APIC_ID)
  if (new Set(options.apicIds).size !== options.apicIds.length) {
    throw invalidArgument('apicIds', options.apicIds, 'without repetition')
  }
  const ioApic = checkOptions('ioApic', options.ioApic, ['id', 'address', 'gsiBase'])
  checkInteger('ioApic.id', ioApic['id'], 0, MAX_APIC_ID)
  checkInteger('ioApic.address', ioApic['address'], 0, 0xffff_ffff)
  checkInteger('ioApic.gsiBase', ioApic['gsiBase'] ?? 0, 0, 0xffff)
  checkInteger('sciGsi', options.sciGsi, 0, 0xffff)
  checkInteger('centuryRegister', options.centuryRegister ?? 0, 0, 0x7f)
  checkPowerManagement(options.powerManagement)
  const names = options.devices.map(checkDevice)
  if (new Set(names).size !== names.length) throw invalidArgument('devices', names.join(), 'of different names')
}

function checkPowerManagement(given: AcpiPowerManagement): void {
  const pm = checkOptions('powerManagement', given, ['eventPort', 'controlPort', 'timerPort', 'powerOffType', 'reset'])
  for (const key of ['eventPort', 'controlPort', 'timerPort']) {
    if (key === 'timerPort' && pm[key] === undefined) continue
    checkInteger(`powerManagement.${key}`, pm[key], 1, MAX_PORT - 3)
  }
  checkInteger('powerManagement.powerOffType', pm['powerOffType'], 0, 7)
  if (pm['reset'] === undefined) return
  const reset = checkOptions('powerManagement.reset', pm['reset'], ['port', 'value'])
  checkInteger('powerManagement.reset.port', reset['port'], 1, MAX_PORT)
  checkInteger('powerManagement.reset.value', reset['value'], 0, 0xff)
}

function checkDevice(device: AcpiDevice): string {
  checkOptions('device', device, ['name', 'hid', 'uid', 'resources'])
  if (!NAME_SEGMENT.test(device.name)) {
    throw invalidArgument('device.name', device.name, 'one to four of A to Z, 0 to 9 and _, the first no digit')
  }
  if (!EISA_ID.test(device.hid) && !ACPI_ID.test(device.hid)) {
    throw invalidArgument('device.hid', device.hid, 'a PNP or ACPI identifier')
  }
  if (device.uid !== undefined) checkInteger('device.uid', device.uid, 0, 0xffff_ffff)
  for (const resource of device.resources) {
    if ('port' in resource) {
      checkInteger('device port', resource.port, 0, MAX_PORT)
      checkInteger('length of device ports', resource.length, 1, Math.min(0xff, MAX_PORT + 1 - resource.port))
    } else if ('irq' in resource) checkInteger('device irq', resource.irq, 0, 15)
    else if ('memory' in resource) {
      checkInteger('device memory', resource.memory, 0, 0xffff_ffff)
      checkInteger('length of device memory', resource.length, 1, 2 ** 32 - resource.memory)
    } else {
      checkInteger('device gsi', resource.gsi, 0, 0xffff)
      checkOneOf('device trigger', resource.trigger, ['edge', 'level'])
    }
  }
  return device.name.padEnd(4, '_')
}
