import { hex } from '../../format.js'
import { checkInteger, invalidArgument } from '../../validate.js'
import { ACPI_ADDRESS, SHARED_PAGE } from '../../arch/x86/memory-layout.js'
import type { LoadMemory } from '../../memory/placed.js'
import { place, type Placed } from '../../memory/placed.js'
import { buildDsdt } from './dsdt.js'
import { buildFadt } from './fadt.js'
import { buildHpetTables } from './hpet.js'
import { buildMadt } from './madt.js'
import { buildMcfgTables } from './mcfg.js'
import { type AcpiOptions, checkAcpiOptions } from './options.js'
import { buildFacs, buildRsdp, buildXsdt, RSDP_SIZE } from './root.js'

/** The FACS must be aligned to this (ACPI 6.5, 5.2.10); the others do not mind. */
const ALIGNMENT = 64

export interface AcpiTable {
  /** `RSDP`, or the table's own four characters. */
  signature: string
  address: number
  bytes: Uint8Array
}

/**
 * Builds all tables for a place in guest memory, the RSDP first, at `address` itself. They take a few hundred bytes, and
 * eight more for each vCPU.
 */
export function buildAcpiTables(options: AcpiOptions, address: number = ACPI_ADDRESS): AcpiTable[] {
  checkInteger('address', address, 0, 0xfff0_0000)
  if (address % ALIGNMENT !== 0) throw invalidArgument('address', hex(address), `a multiple of ${ALIGNMENT}`)
  checkAcpiOptions(options)
  let next = address + ALIGNMENT * Math.ceil(RSDP_SIZE / ALIGNMENT)
  const tables: AcpiTable[] = []
  const add = (signature: string, bytes: Uint8Array) => {
    const table = { signature, address: next, bytes }
    next = Math.ceil((next + bytes.length) / ALIGNMENT) * ALIGNMENT
    tables.push(table)
    return table.address
  }
  const facs = add('FACS', buildFacs())
  const dsdt = add('DSDT', buildDsdt(options))
  const fadt = add('FACP', buildFadt(options, { facs, dsdt }))
  const madt = add('APIC', buildMadt(options))
  const hpets = buildHpetTables(options.nodes).map((bytes) => add('HPET', bytes))
  const mcfgs = buildMcfgTables(options.nodes).map((bytes) => add('MCFG', bytes))
  const xsdt = add('XSDT', buildXsdt([fadt, madt, ...hpets, ...mcfgs]))
  return [{ signature: 'RSDP', address, bytes: buildRsdp(xsdt) }, ...tables]
}

/**
 * Writes the tables where a PC's firmware has them, from 0xe0000 on: a guest that is not told where the RSDP is
 * searches there. The memory map must not call that place RAM; `memoryLayout()`'s does not.
 */
export function loadAcpiTables(memory: LoadMemory, options: AcpiOptions): { rsdp: number; placed: Placed[] } {
  const tables = buildAcpiTables(options)
  const end = Math.max(...tables.map(({ address, bytes }) => address + bytes.length))
  if (end > SHARED_PAGE)
    throw invalidArgument('options', `${hex(end - ACPI_ADDRESS)} bytes of tables`, 'for fewer devices')
  for (const { signature, address, bytes } of tables) place(memory, `ACPI ${signature}`, address, bytes)
  const placed = tables.map(({ signature, address, bytes }) => {
    return { name: `ACPI ${signature}`, start: address, size: bytes.length }
  })
  return { rsdp: ACPI_ADDRESS, placed }
}
