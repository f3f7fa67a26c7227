import { checkOptions } from '../validate.js'
import { littleEndian } from './acpi/aml.js'
import { EBDA_START } from '../arch/x86/memory-layout.js'
import type { LoadMemory } from '../memory/placed.js'
import { place, type Placed } from '../memory/placed.js'
import { checkPlaced } from './check-node.js'
import type { PlacedHardware } from './node.js'
import { PNP_SERIAL_16550A } from './pnp-ids.js'

// IBM PS/2 and Personal Computer BIOS Interface Technical Reference, "BIOS data areas": offsets in segment 40.
const BDA_START = 0x400
const BDA_SIZE = 0x100
const SERIAL_PORTS = 0x00
const MAX_SERIAL_PORTS = 4
const EBDA_SEGMENT = 0x0e
const EQUIPMENT = 0x10
const BASE_MEMORY = 0x13
const KEYBOARD_HEAD = 0x1a
const KEYBOARD_TAIL = 0x1c
const SERIAL_TIMEOUTS = 0x7c
const KEYBOARD_START = 0x80
const KEYBOARD_END = 0x82
const KEYBOARD_BUFFER = { start: 0x1e, end: 0x3e }

const EQUIPMENT_FPU = 1 << 1
const EQUIPMENT_SERIAL_SHIFT = 9
const KIB = 1024
const EBDA_KIB = 1

export interface BiosDataOptions {
  /** What the machine consists of: the serial lines among it. */
  nodes?: readonly PlacedHardware[]
  /** What is placed there already stays: an image that wants this address gets no data area. */
  placed?: readonly Placed[]
}

/**
 * Writes what real mode's programs look up at 0x400: where the EBDA is, how much memory lies below it, which serial lines
 * there are. And the EBDA's own first byte, which is its size.
 */
export function loadBiosDataArea(memory: LoadMemory, options: BiosDataOptions = {}): Placed[] {
  checkOptions('options', options, ['nodes', 'placed'])
  const { nodes = [], placed = [] } = options
  for (const node of nodes) checkPlaced(node)
  place(memory, 'EBDA', EBDA_START, Uint8Array.of(EBDA_KIB))
  if (placed.some(({ start, size }) => start < BDA_START + BDA_SIZE && start + size > BDA_START)) return []
  place(memory, 'BIOS data area', BDA_START, biosData(serialPortsOf(nodes)))
  return [{ name: 'BIOS data area', start: BDA_START, size: BDA_SIZE }]
}

/** Of the serial lines that the guest's tables name, COM1's first. */
function serialPortsOf(nodes: readonly PlacedHardware[]): number[] {
  return nodes
    .flatMap(({ acpi, resources }) => {
      const port = resources.find((resource) => resource.port !== undefined)?.port
      const isSerial = acpi !== undefined && 'hid' in acpi && acpi.hid === PNP_SERIAL_16550A
      return isSerial && port !== undefined ? [{ port, uid: acpi.uid ?? Infinity }] : []
    })
    .sort((a, b) => a.uid - b.uid)
    .map(({ port }) => port)
    .slice(0, MAX_SERIAL_PORTS)
}

function biosData(serialPorts: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(BDA_SIZE)
  const word = (offset: number, value: number) => {
    bytes.set(littleEndian(value, 2), offset)
  }
  serialPorts.forEach((port, index) => {
    word(SERIAL_PORTS + 2 * index, port)
    bytes[SERIAL_TIMEOUTS + index] = 1
  })
  word(EBDA_SEGMENT, EBDA_START / 16)
  word(EQUIPMENT, EQUIPMENT_FPU | (serialPorts.length << EQUIPMENT_SERIAL_SHIFT))
  word(BASE_MEMORY, EBDA_START / KIB)
  for (const offset of [KEYBOARD_HEAD, KEYBOARD_TAIL, KEYBOARD_START]) word(offset, KEYBOARD_BUFFER.start)
  word(KEYBOARD_END, KEYBOARD_BUFFER.end)
  return bytes
}
