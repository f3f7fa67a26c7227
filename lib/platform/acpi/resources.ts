import { type Aml, buffer, littleEndian } from './aml.js'

// Resource descriptors (ACPI 6.5, 6.4): what a device's _CRS says about its ports, memory and interrupt.
const IRQ_DESCRIPTOR = 0x22
const IO_DESCRIPTOR = 0x47
const MEMORY32_FIXED = [0x86, 9, 0]
const EXTENDED_INTERRUPT = 0x89
const END_TAG = [0x79, 0]

const DECODES_16_BITS = 1
const MEMORY_WRITABLE = 1
// Extended interrupt flags: bit 0 consumer, bit 1 edge, bit 2 active low, bit 3 shared.
const INTERRUPT_CONSUMER = 1 << 0
const INTERRUPT_EDGE = 1 << 1

export type Resource =
  | { port: number; length: number }
  /** Below 16: an ISA interrupt, edge-triggered and active high. */
  | { irq: number }
  | { memory: number; length: number }
  /** Any GSI, active high. */
  | { gsi: number; trigger: 'edge' | 'level' }

function encode(resource: Resource): number[] {
  if ('port' in resource) {
    const port = littleEndian(resource.port, 2)
    return [IO_DESCRIPTOR, DECODES_16_BITS].concat(port, port, 1, resource.length)
  }
  if ('irq' in resource) return [IRQ_DESCRIPTOR].concat(littleEndian(1 << resource.irq, 2))
  if ('memory' in resource) {
    return MEMORY32_FIXED.concat(MEMORY_WRITABLE, littleEndian(resource.memory, 4), littleEndian(resource.length, 4))
  }
  const flags = INTERRUPT_CONSUMER | (resource.trigger === 'edge' ? INTERRUPT_EDGE : 0)
  return [EXTENDED_INTERRUPT, 6, 0, flags, 1].concat(littleEndian(resource.gsi, 4))
}

export function resourceTemplate(resources: readonly Resource[]): Aml {
  return buffer(resources.flatMap(encode).concat(END_TAG))
}
