import { checkInteger, checkOptions, invalidArgument } from '../../validate.js'
import { checkPlaced } from '../check-node.js'
import type { FixedHardware, PlacedHardware } from '../node.js'

export interface AcpiOptions {
  /** Local APIC identifiers of the vCPUs, the first one's first. */
  apicIds: readonly number[]
  ioApic: { id: number; address: number; gsiBase?: number }
  /** What the machine consists of. One of them has ACPI's fixed hardware: `acpi: { fixed }`. */
  nodes: readonly PlacedHardware[]
  /** CMOS index of the century; 0: none. */
  centuryRegister?: number
}

/** ACPI's fixed hardware, by ports. */
export interface PowerManagement extends Omit<FixedHardware, 'reset'> {
  reset?: { port: number; value: number }
  /** The GSI of the system control interrupt. */
  sci: number
}

/** 255 addresses all of them. */
const MAX_APIC_ID = 254

/** Checks what a user gave; the tables are then built without another look. */
export function checkAcpiOptions(options: AcpiOptions): void {
  checkOptions('options', options, ['apicIds', 'ioApic', 'nodes', 'centuryRegister'])
  if (!Array.isArray(options.apicIds) || options.apicIds.length === 0 || options.apicIds.length > MAX_APIC_ID + 1) {
    throw invalidArgument('apicIds', options.apicIds, `an array of 1 to ${MAX_APIC_ID + 1} numbers`)
  }
  for (const id of options.apicIds) checkInteger('apicIds', id, 0, MAX_APIC_ID)
  if (new Set(options.apicIds).size !== options.apicIds.length) {
    throw invalidArgument('apicIds', options.apicIds, 'without repetition')
  }
  const ioApic = checkOptions('ioApic', options.ioApic, ['id', 'address', 'gsiBase'])
  checkInteger('ioApic.id', ioApic['id'], 0, MAX_APIC_ID)
  checkInteger('ioApic.address', ioApic['address'], 0, 0xffff_ffff)
  checkInteger('ioApic.gsiBase', ioApic['gsiBase'] ?? 0, 0, 0xffff)
  checkInteger('centuryRegister', options.centuryRegister ?? 0, 0, 0x7f)
  checkNodes(options.nodes)
  powerManagement(options.nodes)
}

function checkNodes(nodes: unknown): void {
  if (!Array.isArray(nodes)) throw invalidArgument('nodes', nodes, 'an array')
  const names = (nodes as PlacedHardware[]).flatMap((node) => {
    checkPlaced(node)
    const { acpi } = node
    return acpi === undefined || 'fixed' in acpi || acpi.name === undefined ? [] : [acpi.name.padEnd(4, '_')]
  })
  if (new Set(names).size !== names.length) throw invalidArgument('nodes', names.join(), 'of different ACPI names')
}

/** Where the fixed hardware is. */
export function powerManagement(nodes: readonly PlacedHardware[]): PowerManagement {
  const found = nodes.flatMap(({ acpi, resources }) => (acpi && 'fixed' in acpi ? [{ ...acpi.fixed, resources }] : []))
  const [only] = found
  if (only === undefined || found.length > 1) {
    throw invalidArgument('nodes', nodes, 'with one that has ACPI fixed hardware, acpi: { fixed }')
  }
  const base = only.resources.find(({ port }) => port !== undefined)?.port ?? 0
  const { event, control, timer, reset, sleepTypes, resources } = only
  return {
    event: base + event,
    control: base + control,
    ...(timer === undefined ? {} : { timer: base + timer }),
    ...(reset === undefined ? {} : { reset: { port: base + reset.offset, value: reset.value } }),
    sleepTypes,
    sci: resources.find(({ gsi }) => gsi !== undefined)?.gsi ?? 0,
  }
}
