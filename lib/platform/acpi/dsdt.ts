import { integer, name, packageOf, scope } from './aml.js'
import { encodeDevice } from './devices.js'
import type { AcpiOptions } from './options.js'
import { finishTable, HEADER_SIZE, TableBuilder } from './table.js'

const SIGNATURE = 'DSDT'
/** From 2 on, integers have 64 bits. */
const REVISION = 2

export function buildDsdt({ devices, powerManagement }: AcpiOptions): Uint8Array {
  const { powerOffType } = powerManagement
  // SLP_TYPa, SLP_TYPb and two reserved values (ACPI 6.5, 7.4.2).
  const sleep = name('\\_S5', packageOf([powerOffType, powerOffType, 0, 0].map(integer)))
  const code = sleep.concat(devices.length === 0 ? [] : scope('\\_SB', devices.map(encodeDevice)))
  const table = new TableBuilder(HEADER_SIZE + code.length)
  table.bytes.set(code, HEADER_SIZE)
  return finishTable(table, SIGNATURE, REVISION)
}
