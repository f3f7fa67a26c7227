/**
 * What a machine consists of, as data: devices and their resources, and the firmware tables that tell a guest of them.
 *
 * @packageDocumentation
 */
export type { AcpiOptions } from './acpi/options.js'
export { type AcpiTable, buildAcpiTables, loadAcpiTables } from './acpi/tables.js'
export { type BiosDataOptions, loadBiosDataArea } from './bios-data-area.js'
export { buildMpTable, loadMpTable, type MpTableOptions } from './mp-table.js'
export type {
  AcpiName,
  DeviceNode,
  FixedHardware,
  HardwareNode,
  NodeResource,
  PciRoot,
  PlacedHardware,
  PlacedNode,
  PlacedResource,
  Range,
  Trigger,
} from './node.js'
export { Platform, type PlatformOptions } from './platform.js'
export {
  GENERATION_ID,
  GENERIC_EVENT_DEVICE,
  PNP_HPET,
  PNP_KEYBOARD,
  PNP_MAINBOARD,
  PNP_PCI_ROOT,
  PNP_PCIE_ROOT,
  PNP_RTC,
  PNP_SERIAL_16550A,
  PVPANIC,
} from './pnp-ids.js'
export type { LoadMemory, Placed } from '../memory/placed.js'
export type { AddressRange } from '../arch/x86/memory-layout.js'
