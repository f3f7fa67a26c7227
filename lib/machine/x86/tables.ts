import type { Placed } from '../../memory/placed.js'
import { loadAcpiTables } from '../../platform/acpi/tables.js'
import { loadMpTable } from '../../platform/mp-table.js'
import type { PlacedHardware } from '../../platform/node.js'
import type { DeviceMemory } from '../../memory/device-memory.js'
import * as P from './platform.js'

/** Tells the guest of what there is: by ACPI, and by the older MP table. */
export function writeTables(
  memory: DeviceMemory,
  nodes: readonly PlacedHardware[],
  { cpus }: { cpus: number },
): { rsdp: number; placed: Placed[] } {
  const apicIds = Array.from({ length: cpus }, (_, id) => id)
  // The I/O APIC's number must not be a local APIC's.
  const ioApic = { id: cpus, address: P.IO_APIC_ADDRESS }
  const acpi = loadAcpiTables(memory, { apicIds, ioApic, nodes })
  return { rsdp: acpi.rsdp, placed: [...acpi.placed, loadMpTable(memory, { apicIds, ioApic, nodes })] }
}
