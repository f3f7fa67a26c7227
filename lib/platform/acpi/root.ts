import { checksum, finishTable, HEADER_SIZE, OEM, TableBuilder } from './table.js'

// Root System Description Pointer (ACPI 6.5, table 5.3).
export const RSDP_SIZE = 36
const RSDP_CHECKSUM = 8
const RSDP_OEM_ID = 9
const RSDP_REVISION = 15
const RSDP_LENGTH = 20
const RSDP_XSDT = 24
const RSDP_EXTENDED_CHECKSUM = 32
/** The first checksum covers what ACPI 1.0 knew. */
const RSDP_V1_SIZE = 20

export function buildRsdp(xsdt: number): Uint8Array {
  const table = new TableBuilder(RSDP_SIZE)
  table.text(0, 'RSD PTR ')
  table.text(RSDP_OEM_ID, OEM)
  table.uint8(RSDP_REVISION, 2)
  table.uint32(RSDP_LENGTH, RSDP_SIZE)
  table.uint64(RSDP_XSDT, xsdt)
  table.uint8(RSDP_CHECKSUM, checksum(table.bytes.subarray(0, RSDP_V1_SIZE)))
  table.uint8(RSDP_EXTENDED_CHECKSUM, checksum(table.bytes))
  return table.bytes
}

/** Extended System Description Table (ACPI 6.5, 5.2.8): where all the others are. */
export function buildXsdt(tables: readonly number[]): Uint8Array {
  const table = new TableBuilder(HEADER_SIZE + 8 * tables.length)
  for (const [index, address] of tables.entries()) table.uint64(HEADER_SIZE + 8 * index, address)
  return finishTable(table, 'XSDT', 1)
}

// Firmware ACPI Control Structure (ACPI 6.5, 5.2.10): it has no header of the usual kind, and no checksum.
const FACS_SIZE = 64
const FACS_LENGTH = 4
const FACS_VERSION = 32

export function buildFacs(): Uint8Array {
  const table = new TableBuilder(FACS_SIZE)
  table.text(0, 'FACS')
  table.uint32(FACS_LENGTH, FACS_SIZE)
  table.uint8(FACS_VERSION, 2)
  return table.bytes
}
