// Where things are on a PC: ports, GSIs of the I/O APIC, and guest physical addresses.

/** Ports and GSI of the four serial lines, COM1 to COM4. */
export const SERIAL_LINES = [
  { port: 0x3f8, gsi: 4 },
  { port: 0x2f8, gsi: 3 },
  { port: 0x3e8, gsi: 4 },
  { port: 0x2e8, gsi: 3 },
] as const
export const SERIAL_LENGTH = 8

export const RTC_PORT = 0x70
export const RTC_LENGTH = 2
export const RTC_GSI = 8
export const I8042_DATA_PORT = 0x60
export const I8042_COMMAND_PORT = 0x64
export const KEYBOARD_GSI = 1
export const POST_PORT = 0x80
export const SYSTEM_CONTROL_A_PORT = 0x92
export const EXIT_PORT = 0xf4
export const EXIT_LENGTH = 4
export const PVPANIC_PORT = 0x505
export const FW_CFG_PORT = 0x510
export const PM_PORT = 0x600
export const SCI_GSI = 9
/** The line of floppy disk drives, of which there are none. */
export const GENERATION_GSI = 6
export { SHARED_PAGE as GENERATION_ID_ADDRESS } from '../../arch/x86/memory-layout.js'
export const PCI_CONFIG_PORT = 0xcf8
export const PCI_CONFIG_LENGTH = 8
/** Where BARs may be: clear of the ports and the memory that the platform gives out, and of the I/O APIC. */
export const PCI_PORTS = { start: 0x2000, end: 0x1_0000 }
export const PCI_MEMORY = { start: 0xe010_0000, end: 0xfec0_0000 }
/** PCI's configuration space as memory, of one bus. */
export const PCI_ECAM = 0xe000_0000

export { IO_APIC_ADDRESS } from '../../arch/x86/apic.js'
export const IDENTITY_MAP_ADDRESS = 0xfeff_c000
export const TSS_ADDRESS = 0xfeff_d000

export const PORT_COUNT = 0x1_0000
export const PHYSICAL_ADDRESSES = 2 ** 52
