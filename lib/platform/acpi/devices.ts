import type { AcpiName, PlacedHardware } from '../node.js'
import { type Aml, device, EISA_ID, eisaId, integer, name, string } from './aml.js'
import { resourceTemplate } from './resources.js'

/** Present, enabled, shown and working (ACPI 6.5, 6.3.7). */
const STATUS_PRESENT = 0xf

/** The devices that a guest can only find by its tables. Those without a name get one that is free. */
export function encodeDevices(nodes: readonly PlacedHardware[]): Aml[] {
  const named = nodes.flatMap(({ acpi, resources }) =>
    acpi === undefined || 'fixed' in acpi ? [] : [{ ...acpi, resources }],
  )
  const taken = new Set(named.map((each) => each.name))
  let next = 0
  const freeName = () => {
    let free: string
    do free = `D${(next++).toString(36).toUpperCase().padStart(3, '0')}`
    while (taken.has(free))
    return free
  }
  return named.map((each) => encodeDevice(each.name ?? freeName(), each, nodes))
}

function encodeDevice(
  path: string,
  { hid, uid, resources }: AcpiName & Pick<PlacedHardware, 'resources'>,
  nodes: readonly PlacedHardware[],
): Aml {
  return device(path, [
    name('_HID', EISA_ID.test(hid) ? eisaId(hid) : string(hid)),
    ...(uid === undefined ? [] : [name('_UID', integer(uid))]),
    name('_STA', integer(STATUS_PRESENT)),
    name(
      '_CRS',
      resourceTemplate(resources, (gsi) => isShared(nodes, gsi)),
    ),
  ])
}

const isShared = (nodes: readonly PlacedHardware[], line: number) =>
  nodes.filter(({ resources }) => resources.some(({ gsi }) => gsi === line)).length > 1
