import { type Aml, device, EISA_ID, eisaId, integer, name, string } from './aml.js'
import { type Resource, resourceTemplate } from './resources.js'

/** A device that the guest cannot find by itself. */
export interface AcpiDevice {
  /** Four characters at most, unique: `COM1`. */
  name: string
  /** `PNP0501`, or a longer identifier such as `QEMU0001`. */
  hid: string
  /** Tells devices with the same `hid` apart. */
  uid?: number
  resources: readonly Resource[]
}

// Identifiers of Plug and Play devices (UEFI's PNP ID registry).
const SERIAL_16550A = 'PNP0501'
const RTC = 'PNP0B00'
const KEYBOARD = 'PNP0303'

/** Present, enabled, shown and working (ACPI 6.5, 6.3.7). */
const STATUS_PRESENT = 0xf

const SERIAL_PORTS = [
  { name: 'COM1', port: 0x3f8, irq: 4 },
  { name: 'COM2', port: 0x2f8, irq: 3 },
  { name: 'COM3', port: 0x3e8, irq: 4 },
  { name: 'COM4', port: 0x2e8, irq: 3 },
] as const

/** A PC's serial port, COM1 to COM4. */
export function acpiSerial(number: 1 | 2 | 3 | 4): AcpiDevice {
  const found = SERIAL_PORTS[number - 1] ?? SERIAL_PORTS[0]
  return {
    name: found.name,
    hid: SERIAL_16550A,
    uid: number,
    resources: [{ port: found.port, length: 8 }, { irq: found.irq }],
  }
}

/** The CMOS clock. */
export function acpiRtc(): AcpiDevice {
  return { name: 'RTC', hid: RTC, resources: [{ port: 0x70, length: 2 }, { irq: 8 }] }
}

/** The keyboard on the i8042. */
export function acpiKeyboard(): AcpiDevice {
  return { name: 'KBD', hid: KEYBOARD, resources: [{ port: 0x60, length: 1 }, { port: 0x64, length: 1 }, { irq: 1 }] }
}

export function encodeDevice({ name: path, hid, uid, resources }: AcpiDevice): Aml {
  return device(path, [
    name('_HID', EISA_ID.test(hid) ? eisaId(hid) : string(hid)),
    ...(uid === undefined ? [] : [name('_UID', integer(uid))]),
    name('_STA', integer(STATUS_PRESENT)),
    name('_CRS', resourceTemplate(resources)),
  ])
}
