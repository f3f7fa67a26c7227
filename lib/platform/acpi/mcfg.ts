import type { PlacedHardware } from '../node.js'
import { finishTable, HEADER_SIZE, TableBuilder } from './table.js'

// PCI Firmware Specification 3.0, 4.1.2: where configuration space is as memory.
const SIGNATURE = 'MCFG'
const REVISION = 1
const ALLOCATION = HEADER_SIZE + 8
const SIZE = ALLOCATION + 16

/** A table where there is such memory. Of its segment group 0 it has bus 0 alone. */
export function buildMcfgTables(nodes: readonly PlacedHardware[]): Uint8Array[] {
  const addresses = nodes.flatMap(({ acpi, resources }) =>
    acpi === undefined || 'fixed' in acpi || acpi.ecam !== true ? [] : resources.flatMap(({ memory }) => memory ?? []),
  )
  return addresses.slice(0, 1).map((address) => {
    const table = new TableBuilder(SIZE)
    table.uint64(ALLOCATION, address)
    return finishTable(table, SIGNATURE, REVISION)
  })
}
