import { integer, name, packageOf, scope } from './aml.js'
import { encodeDevices } from './devices.js'
import { type AcpiOptions, powerManagement } from './options.js'
import { finishTable, HEADER_SIZE, TableBuilder } from './table.js'

const SIGNATURE = 'DSDT'
/** From 2 on, integers have 64 bits. */
const REVISION = 2

/** SLP_TYPa, SLP_TYPb and two reserved values (ACPI 6.5, 7.4.2). */
const sleepState = (path: string, type: number) => name(path, packageOf([type, type, 0, 0].map(integer)))

export function buildDsdt({ nodes }: AcpiOptions): Uint8Array {
  const { s3, s5 } = powerManagement(nodes).sleepTypes
  const devices = encodeDevices(nodes)
  const code = [
    ...(s3 === undefined ? [] : [sleepState('\\_S3', s3)]),
    sleepState('\\_S5', s5),
    ...(devices.length === 0 ? [] : [scope('\\_SB', devices)]),
  ].flat()
  const table = new TableBuilder(HEADER_SIZE + code.length)
  table.bytes.set(code, HEADER_SIZE)
  return finishTable(table, SIGNATURE, REVISION)
}
