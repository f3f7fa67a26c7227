import { LOCAL_APIC_ADDRESS } from '../../arch/x86/apic.js'
import { LINES, triggerOf } from '../interrupt-lines.js'
import { littleEndian } from './aml.js'
import type { AcpiOptions } from './options.js'
import { finishTable, HEADER_SIZE, TableBuilder } from './table.js'

// Multiple APIC Description Table (ACPI 6.5, 5.2.12).
const SIGNATURE = 'APIC'
const REVISION = 5
/** The machine also has a pair of 8259s. */
const PCAT_COMPAT = 1 << 0

const LOCAL_APIC = 0
const IO_APIC = 1
const INTERRUPT_SOURCE_OVERRIDE = 2
const LOCAL_APIC_NMI = 4

const ENABLED = 1 << 0
const ALL_PROCESSORS = 0xff
const LINT1 = 1
const BUS_ISA = 0
// MPS INTI flags (ACPI 6.5, table 5.26): polarity in bits 0-1, trigger in bits 2-3.
const AS_THE_BUS_HAS_IT = 0
const ACTIVE_HIGH_LEVEL = 0b11_01

const override = (irq: number, gsi: number, flags: number): number[] => {
  return [INTERRUPT_SOURCE_OVERRIDE, 10, BUS_ISA, irq, ...littleEndian(gsi, 4), ...littleEndian(flags, 2)]
}

/** For the lines of the ISA bus that are not what such a line is by itself: at the pin of its number, edge-triggered. */
function overrides(nodes: AcpiOptions['nodes']): number[][] {
  return LINES.filter(({ isa }) => isa).flatMap(({ gsi, pin }) => {
    const level = triggerOf(nodes, gsi) === 'level'
    return level || pin !== gsi ? [override(gsi, pin, level ? ACTIVE_HIGH_LEVEL : AS_THE_BUS_HAS_IT)] : []
  })
}

export function buildMadt({ apicIds, ioApic, nodes }: AcpiOptions): Uint8Array {
  const entries = [
    ...apicIds.map((id, uid) => [LOCAL_APIC, 8, uid, id, ...littleEndian(ENABLED, 4)]),
    [IO_APIC, 12, ioApic.id, 0, ...littleEndian(ioApic.address, 4), ...littleEndian(ioApic.gsiBase ?? 0, 4)],
    ...overrides(nodes),
    [LOCAL_APIC_NMI, 6, ALL_PROCESSORS, ...littleEndian(AS_THE_BUS_HAS_IT, 2), LINT1],
  ].flat()
  const table = new TableBuilder(HEADER_SIZE + 8 + entries.length)
  table.uint32(HEADER_SIZE, LOCAL_APIC_ADDRESS)
  table.uint32(HEADER_SIZE + 4, PCAT_COMPAT)
  table.bytes.set(entries, HEADER_SIZE + 8)
  return finishTable(table, SIGNATURE, REVISION)
}
