import type { AcpiName, PlacedHardware } from '../node.js'
import { type Aml, device, EISA_ID, eisaId, integer, name, string } from './aml.js'
import { encodeEvents, encodeGenerationId } from './generation-id.js'
import { encodeRoot, encodeWindows } from './pci-root.js'
import { resourceTemplate } from './resources.js'

/** Present, enabled, shown and working (ACPI 6.5, 6.3.7). */
const STATUS_PRESENT = 0xf

/** The devices that a guest can only find by its tables. Those without a name, or one of several of a kind without a number, get one. */
export function encodeDevices(nodes: readonly PlacedHardware[]): Aml[] {
  const named = nodes
    .flatMap(({ acpi, resources }) => (acpi === undefined || 'fixed' in acpi ? [] : [{ ...acpi, resources }]))
    .map((each, index, all) => ({ ...numbered(each, index, all), resources: each.resources }))
  const taken = new Set(named.map((each) => each.name))
  let next = 0
  const freeName = () => {
    let free: string
    do free = `D${(next++).toString(36).toUpperCase().padStart(3, '0')}`
    while (taken.has(free))
    return free
  }
  return named.flatMap((each) => {
    const path = each.name ?? freeName()
    const encoded = encodeDevice(path, each, nodes)
    if (each.generationId === undefined) return [encoded]
    return [encoded, encodeEvents(freeName(), path, each.resources.filter(({ gsi }) => gsi !== undefined).slice(0, 1))]
  })
}

/** Devices of a kind must have different numbers (ACPI 6.5, 6.1.12). */
function numbered(each: AcpiName, index: number, all: readonly AcpiName[]): AcpiName {
  const kin = all.filter(({ hid }) => hid === each.hid)
  if (each.uid !== undefined || kin.length === 1) return each
  const taken = new Set(kin.map(({ uid }) => uid))
  const free = kin.map((_, number) => number).filter((number) => !taken.has(number))
  const before = all.slice(0, index).filter(({ hid, uid }) => hid === each.hid && uid === undefined).length
  return { ...each, uid: free[before] ?? kin.length + before }
}

function encodeDevice(
  path: string,
  { hid, uid, pciRoot, generationId, resources }: AcpiName & Pick<PlacedHardware, 'resources'>,
  nodes: readonly PlacedHardware[],
): Aml {
  return device(path, [
    name('_HID', EISA_ID.test(hid) ? eisaId(hid) : string(hid)),
    ...(uid === undefined ? [] : [name('_UID', integer(uid))]),
    name('_STA', integer(STATUS_PRESENT)),
    name(
      '_CRS',
      resourceTemplate(
        generationId === undefined ? resources : [],
        (gsi) => isShared(nodes, gsi),
        pciRoot && encodeWindows(pciRoot),
      ),
    ),
    ...(pciRoot === undefined ? [] : encodeRoot(pciRoot)),
    ...(generationId === undefined ? [] : encodeGenerationId(generationId.address)),
  ])
}

const isShared = (nodes: readonly PlacedHardware[], line: number) =>
  nodes.filter(({ resources }) => resources.some(({ gsi }) => gsi === line)).length > 1
