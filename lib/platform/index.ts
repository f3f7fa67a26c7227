/**
 * What a machine consists of, as data: devices and their resources, and the firmware tables that tell a guest of them.
 *
 * @packageDocumentation
 */
export type { AcpiName, DeviceNode, NodeResource, Range } from './node.js'
export { type AcpiDevice, acpiKeyboard, acpiRtc, acpiSerial } from './acpi/devices.js'
export type { AcpiOptions, AcpiPowerManagement } from './acpi/options.js'
export type { Resource as AcpiResource } from './acpi/resources.js'
export { type AcpiTable, buildAcpiTables, loadAcpiTables } from './acpi/tables.js'
export { type BiosDataOptions, loadBiosDataArea } from './bios-data-area.js'
export { buildMpTable, loadMpTable, type MpTableOptions } from './mp-table.js'
export type { WritableMemory } from './writable-memory.js'
export type { Placed } from '../memory/placed.js'
