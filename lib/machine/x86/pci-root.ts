import type { Device } from '../../bus/device.js'
import type { MachineEffects } from '../../bus/device-context.js'
import { ResetControl } from '../../devices/reset-control.js'
import { CONFIG_PORTS_LENGTH, ConfigPorts } from '../../pci/config-ports.js'
import { Ecam, ECAM_LENGTH } from '../../pci/ecam.js'
import type { PciBus } from '../../pci/pci-bus.js'
import { SLOTS } from '../../pci/registers.js'
import { GSI_COUNT, ISA_IRQS } from '../../platform/interrupt-lines.js'
import type { DeviceNode } from '../../platform/node.js'
import { PNP_MAINBOARD, PNP_PCIE_ROOT } from '../../platform/pnp-ids.js'
import type { PciPlaces } from '../architecture.js'
import { isResetControl } from './pci-ports.js'
import * as P from './platform.js'

const ONES = 0xff

/** Slots have the lines above those of the ISA bus, from the last one down: what may have `any` gets the first ones. */
const LINES = GSI_COUNT - ISA_IRQS
const gsi = (slot: number) => GSI_COUNT - 1 - ((slot + LINES - 1) % LINES)

/** How a guest of a PC reaches PCI: by ports, by memory, and by tables that say so. */
export const pciPlaces: PciPlaces = {
  windows: { ports: P.PCI_PORTS, memory: P.PCI_MEMORY },
  ecam: { start: P.PCI_ECAM, end: P.PCI_ECAM + ECAM_LENGTH },
  gsi,
  nodes: (bus, effects) => {
    const control = resetControl(effects)
    return [
      { name: 'reset-control', device: control, resources: [] },
      {
        name: 'pci',
        device: new ConfigPorts(bus, addressBytes(control)),
        resources: [{ port: P.PCI_CONFIG_PORT, length: CONFIG_PORTS_LENGTH }],
        acpi: {
          ...{ hid: PNP_PCIE_ROOT, name: 'PCI0', uid: 0 },
          pciRoot: {
            ports: P.PCI_PORTS,
            memory: P.PCI_MEMORY,
            lines: Array.from({ length: SLOTS }, (_, slot) => gsi(slot)),
          },
        },
      },
      ecam(bus),
    ]
  },
}

function resetControl(effects: MachineEffects): ResetControl {
  return new ResetControl({
    reset: () => {
      effects.reset('port 0xcf9')
    },
  })
}

/** Accesses to bytes of the address port: one is the reset control register. */
function addressBytes(control: ResetControl): Pick<Device, 'read' | 'write'> {
  return {
    read: (offset, data) => {
      if (isResetControl(offset, data)) control.read(0, data)
      else data.fill(ONES)
    },
    write: (offset, data) => {
      if (isResetControl(offset, data)) control.write(0, data)
    },
  }
}

const ecam = (bus: PciBus): DeviceNode => ({
  name: 'pci-ecam',
  device: new Ecam(bus),
  resources: [{ memory: P.PCI_ECAM, length: ECAM_LENGTH }],
  // What kernels ask for before they believe the table that says where it is.
  acpi: { hid: PNP_MAINBOARD, name: 'ECAM', ecam: true },
})
