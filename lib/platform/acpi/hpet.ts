import type { PlacedHardware } from '../node.js'
import { finishTable, TableBuilder } from './table.js'

// IA-PC HPET specification 1.0a, 3.2.4, "The ACPI 2.0 HPET description table".
const SIGNATURE = 'HPET'
const REVISION = 1
const SIZE = 56
const EVENT_TIMER_BLOCK_ID = 36
const BASE_ADDRESS = 40
const NUMBER = 52
const MINIMUM_TICK = 53

// Generic address structure (ACPI 6.5, table 5.1).
const SYSTEM_MEMORY = 0
const REGISTER_BITS = 64

/** A table for each of them. */
export function buildHpetTables(nodes: readonly PlacedHardware[]): Uint8Array[] {
  return nodes
    .flatMap(({ acpi, resources }) => {
      const hpet = acpi === undefined || 'fixed' in acpi ? undefined : acpi.hpet
      const address = resources.find(({ memory }) => memory !== undefined)?.memory
      return hpet === undefined || address === undefined ? [] : [{ ...hpet, address }]
    })
    .map(({ id, minimumTick, address }, number) => {
      const table = new TableBuilder(SIZE)
      table.uint32(EVENT_TIMER_BLOCK_ID, id)
      table.uint8(BASE_ADDRESS, SYSTEM_MEMORY)
      table.uint8(BASE_ADDRESS + 1, REGISTER_BITS)
      table.uint64(BASE_ADDRESS + 4, address)
      table.uint8(NUMBER, number)
      table.uint16(MINIMUM_TICK, minimumTick)
      return finishTable(table, SIGNATURE, REVISION)
    })
}
