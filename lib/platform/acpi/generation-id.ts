import type { PlacedHardware } from '../node.js'
import { GENERIC_EVENT_DEVICE } from '../pnp-ids.js'
import { type Aml, device, integer, method, name, notify, packageOf, string } from './aml.js'
import { resourceTemplate } from './resources.js'

/** By what drivers find it: _CID and _DDN of Microsoft's specification. */
const COMPATIBLE = 'VM_Gen_Counter'
/** The notification that it has changed (the same, "ACPI namespace"). */
const CHANGED = 0x80
const TWO_TO_32 = 2 ** 32

/** What a device's entry says beside the rest when its 16 bytes are at that guest physical address. */
export const encodeGenerationId = (address: number): Aml[] => [
  name('_CID', string(COMPATIBLE)),
  name('_DDN', string(COMPATIBLE)),
  name('ADDR', packageOf([integer(address % TWO_TO_32), integer(Math.floor(address / TWO_TO_32))])),
]

/** The device whose interrupt means a notification to the one at `path` (ACPI 6.5, 5.6.9, "Interrupt-signaled ACPI events"). */
export const encodeEvents = (own: string, path: string, interrupts: PlacedHardware['resources']): Aml =>
  device(own, [
    name('_HID', string(GENERIC_EVENT_DEVICE)),
    name(
      '_CRS',
      resourceTemplate(interrupts, () => false),
    ),
    method('_EVT', 1, notify(path, CHANGED)),
  ])
