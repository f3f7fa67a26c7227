import { LOCAL_APIC_ADDRESS } from '../arch/x86/apic.js'
import { checkInteger, checkOptions, invalidArgument } from '../validate.js'
import { ascii, littleEndian } from './acpi/aml.js'
import { checkPlaced } from './check-node.js'
import { checksum, TableBuilder } from './acpi/table.js'
import { EBDA_START } from '../arch/x86/memory-layout.js'
import { LINES, triggerOf } from './interrupt-lines.js'
import type { LoadMemory } from '../memory/placed.js'
import { place, type Placed } from '../memory/placed.js'
import type { PlacedHardware } from './node.js'

// Intel MultiProcessor Specification 1.4, chapter 4.
const FLOATING_POINTER_SIZE = 16
const CONFIGURATION_HEADER_SIZE = 44
const SPECIFICATION_1_4 = 4
/** The EBDA's first byte is its size, and the pointer lies at a multiple of 16. */
const MP_ADDRESS = EBDA_START + 16
/** The table and what points to it lie in the last KiB of conventional memory, behind the EBDA's size. */
const ROOM = 1024 - 16

const PROCESSOR = 0
const BUS = 1
const IO_APIC = 2
const IO_INTERRUPT = 3
const LOCAL_INTERRUPT = 4

const ENABLED = 1 << 0
const BOOTSTRAP_PROCESSOR = 1 << 1
const LOCAL_APIC_VERSION = 0x14
const IO_APIC_VERSION = 0x11

const INT = 0
const NMI = 1
const EXT_INT = 3
const AS_THE_BUS_HAS_IT = 0
const ACTIVE_HIGH_LEVEL = 0b11_01
const ALL_LOCAL_APICS = 0xff

const ISA = 0

export interface MpTableOptions {
  /** Local APIC identifiers of the vCPUs, the first one's first. */
  apicIds: readonly number[]
  ioApic: { id: number; address: number }
  /** What the machine consists of: how its devices trigger their interrupt lines. Default: as the ISA bus has it. */
  nodes?: readonly PlacedHardware[]
  /** CPUID 1's EAX: family, model and stepping. */
  cpuSignature?: number
  /** CPUID 1's EDX. */
  cpuFeatures?: number
}

/** The table with its floating pointer in front, for this address. */
export function buildMpTable(options: MpTableOptions, address: number = MP_ADDRESS): Uint8Array {
  checkMpOptions(options)
  const entries = [
    ...processors(options),
    [BUS, ISA, ...ascii('ISA   ')],
    [IO_APIC, options.ioApic.id, IO_APIC_VERSION, ENABLED, ...littleEndian(options.ioApic.address, 4)],
    ...isaInterrupts(options),
    [LOCAL_INTERRUPT, EXT_INT, ...littleEndian(AS_THE_BUS_HAS_IT, 2), ISA, 0, ALL_LOCAL_APICS, 0],
    [LOCAL_INTERRUPT, NMI, ...littleEndian(AS_THE_BUS_HAS_IT, 2), ISA, 0, ALL_LOCAL_APICS, 1],
  ]
  const body = entries.flat()
  const size = FLOATING_POINTER_SIZE + CONFIGURATION_HEADER_SIZE + body.length
  if (size > ROOM) throw invalidArgument('apicIds', options.apicIds.length, `fewer: the table may have ${ROOM} bytes`)

  const configuration = new TableBuilder(CONFIGURATION_HEADER_SIZE + body.length)
  configuration.text(0, 'PCMP')
  configuration.uint16(4, configuration.bytes.length)
  configuration.uint8(6, SPECIFICATION_1_4)
  configuration.text(8, 'NODEKVM ')
  configuration.text(16, 'MACHINE     ')
  configuration.uint16(34, entries.length)
  configuration.uint32(36, LOCAL_APIC_ADDRESS)
  configuration.bytes.set(body, CONFIGURATION_HEADER_SIZE)
  configuration.uint8(7, checksum(configuration.bytes))

  const pointer = new TableBuilder(FLOATING_POINTER_SIZE)
  pointer.text(0, '_MP_')
  pointer.uint32(4, address + FLOATING_POINTER_SIZE)
  pointer.uint8(8, FLOATING_POINTER_SIZE / 16)
  pointer.uint8(9, SPECIFICATION_1_4)
  pointer.uint8(10, checksum(pointer.bytes))
  const both = new Uint8Array(size)
  both.set(pointer.bytes)
  both.set(configuration.bytes, FLOATING_POINTER_SIZE)
  return both
}

/** Writes the table where guests without ACPI search for it: in the EBDA. */
export function loadMpTable(memory: LoadMemory, options: MpTableOptions): Placed {
  const bytes = buildMpTable(options)
  place(memory, 'MP table', MP_ADDRESS, bytes)
  return { name: 'MP table', start: MP_ADDRESS, size: bytes.length }
}

function processors({ apicIds, cpuSignature = 0, cpuFeatures = 0 }: MpTableOptions): number[][] {
  return apicIds.map((id, index) => {
    const flags = ENABLED | (index === 0 ? BOOTSTRAP_PROCESSOR : 0)
    const signature = [...littleEndian(cpuSignature, 4), ...littleEndian(cpuFeatures, 4)]
    return [PROCESSOR, id, LOCAL_APIC_VERSION, flags, ...signature, ...littleEndian(0, 8)]
  })
}

/** The lines of the ISA bus; the table has no others, since there is no PCI in it. */
function isaInterrupts({ ioApic, nodes = [] }: MpTableOptions): number[][] {
  return LINES.filter(({ isa }) => isa).map(({ gsi, pin }) => {
    const flags = triggerOf(nodes, gsi) === 'level' ? ACTIVE_HIGH_LEVEL : AS_THE_BUS_HAS_IT
    return [IO_INTERRUPT, INT, ...littleEndian(flags, 2), ISA, gsi, ioApic.id, pin]
  })
}

function checkMpOptions(options: MpTableOptions): void {
  checkOptions('options', options, ['apicIds', 'ioApic', 'nodes', 'cpuSignature', 'cpuFeatures'])
  if (!Array.isArray(options.apicIds) || options.apicIds.length === 0) {
    throw invalidArgument('apicIds', options.apicIds, 'an array of numbers')
  }
  for (const id of options.apicIds) checkInteger('apicIds', id, 0, 254)
  const ioApic = checkOptions('ioApic', options.ioApic, ['id', 'address'])
  checkInteger('ioApic.id', ioApic['id'], 0, 254)
  checkInteger('ioApic.address', ioApic['address'], 0, 0xffff_ffff)
  for (const node of options.nodes ?? []) checkPlaced(node)
  for (const key of ['cpuSignature', 'cpuFeatures'] as const) {
    checkInteger(key, options[key] ?? 0, 0, 0xffff_ffff)
  }
}
