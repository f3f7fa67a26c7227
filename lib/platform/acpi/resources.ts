import { ISA_IRQS, pinOf } from '../interrupt-lines.js'
import type { PlacedResource } from '../node.js'
import { type Aml, buffer, littleEndian } from './aml.js'

// Resource descriptors (ACPI 6.5, 6.4): what a device's _CRS says about its ports, memory and interrupt.
const IRQ_DESCRIPTOR = 0x22
const IO_DESCRIPTOR = 0x47
const MEMORY32_FIXED = [0x86, 9, 0]
const EXTENDED_INTERRUPT = 0x89
const QWORD_ADDRESS_SPACE = [0x8a, 43, 0]
const END_TAG = [0x79, 0]

const DECODES_16_BITS = 1
const MEMORY_WRITABLE = 1
// Extended interrupt flags: bit 0 consumer, bit 1 edge, bit 2 active low, bit 3 shared.
const INTERRUPT_CONSUMER = 1 << 0
const INTERRUPT_EDGE = 1 << 1
const INTERRUPT_SHARED = 1 << 3
// Address space descriptor: the kind of space, and its general flags.
const MEMORY_RANGE = 0
const CONSUMER_OF_A_FIXED_RANGE = 0b1101
const FOUR_GIB = 2 ** 32

/** `isShared` says whether other devices have the line, too; `more` is what comes behind the resources. */
export function resourceTemplate(
  resources: readonly PlacedResource[],
  isShared: (gsi: number) => boolean,
  more: Aml = [],
): Aml {
  const encode = (resource: PlacedResource): Aml => {
    if (resource.port !== undefined) return encodePorts(resource.port, resource.length)
    if (resource.memory !== undefined) return encodeMemory(resource.memory, resource.length)
    return encodeInterrupt(resource.gsi, resource.trigger === 'edge', isShared(resource.gsi))
  }
  return buffer(resources.flatMap(encode).concat(more, END_TAG))
}

function encodePorts(port: number, length: number): Aml {
  const place = littleEndian(port, 2)
  return [IO_DESCRIPTOR, DECODES_16_BITS].concat(place, place, 1, length)
}

function encodeMemory(address: number, length: number): Aml {
  if (address + length <= FOUR_GIB) {
    return MEMORY32_FIXED.concat(MEMORY_WRITABLE, littleEndian(address, 4), littleEndian(length, 4))
  }
  const [granularity, translation] = [0, 0]
  const fields = [granularity, address, address + length - 1, translation, length].map((value) =>
    littleEndian(value, 8),
  )
  return QWORD_ADDRESS_SPACE.concat(MEMORY_RANGE, CONSUMER_OF_A_FIXED_RANGE, MEMORY_WRITABLE, ...fields)
}

/** The short descriptor says what holds for the ISA bus: edge-triggered, active high, of one device. */
function encodeInterrupt(gsi: number, edge: boolean, shared: boolean): Aml {
  if (gsi < ISA_IRQS && edge) return [IRQ_DESCRIPTOR].concat(littleEndian(1 << gsi, 2))
  const flags = INTERRUPT_CONSUMER | (edge ? INTERRUPT_EDGE : 0) | (shared ? INTERRUPT_SHARED : 0)
  return [EXTENDED_INTERRUPT, 6, 0, flags, 1].concat(littleEndian(pinOf(gsi), 4))
}
