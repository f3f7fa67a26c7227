import { PNP_PCI_ROOT } from '../pnp-ids.js'
import type { PciRoot } from '../node.js'
import { type Aml, eisaId, integer, littleEndian, name, packageOf } from './aml.js'

// Address space descriptors (ACPI 6.5, 6.4.3.5), of ranges that the root passes on to its bus.
const WORD_ADDRESS_SPACE = [0x88, 13, 0]
const DWORD_ADDRESS_SPACE = [0x87, 23, 0]
const MEMORY_RANGE = 0
const IO_RANGE = 1
const BUS_RANGE = 2
const FIXED_RANGE = 0b1100
const MEMORY_WRITABLE = 1
const ENTIRE_IO_RANGE = 3

/** All functions of a slot (ACPI 6.5, table 6.2), and its pin INTA. */
const ALL_FUNCTIONS = 0xffff
const INTA = 0
/** The line is a global one, and not that of a link device. */
const NO_LINK = 0

/** What comes after a root's other resources in its _CRS: its bus, and what may be put there. */
export function encodeWindows({ ports, memory }: PciRoot): Aml {
  const range = (start: number, end: number, width: number) =>
    [0, start, end - 1, 0, end - start].flatMap((value) => littleEndian(value, width))
  return WORD_ADDRESS_SPACE.concat(
    [BUS_RANGE, FIXED_RANGE, 0, ...range(0, 1, 2)],
    [...WORD_ADDRESS_SPACE, IO_RANGE, FIXED_RANGE, ENTIRE_IO_RANGE, ...range(ports.start, ports.end, 2)],
    [...DWORD_ADDRESS_SPACE, MEMORY_RANGE, FIXED_RANGE, MEMORY_WRITABLE, ...range(memory.start, memory.end, 4)],
  )
}

/** What a root has beside a _HID, a _STA and a _CRS. */
export function encodeRoot({ lines }: PciRoot): Aml[] {
  const routes = lines.flatMap((gsi, slot) => {
    // Slot 0 is the bridge's.
    return slot === 0 ? [] : [packageOf([slot * 0x1_0000 + ALL_FUNCTIONS, INTA, NO_LINK, gsi].map(integer))]
  })
  return [
    name('_CID', eisaId(PNP_PCI_ROOT)),
    name('_SEG', integer(0)),
    name('_BBN', integer(0)),
    name('_PRT', packageOf(routes)),
  ]
}
