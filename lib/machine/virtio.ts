import type { DeviceNode } from '../platform/node.js'
import { VIRTIO_MMIO } from '../platform/pnp-ids.js'
import { checkOneOf, checkOptions } from '../validate.js'
import { VirtioMmio } from '../virtio/mmio.js'
import { MMIO_LENGTH } from '../virtio/mmio-registers.js'
import { VirtioPci } from '../virtio/pci.js'
import type { VirtioDevice } from '../virtio/virtio-device.js'
import type { DeviceHost, MachineDevice } from './host.js'

export interface VirtioOptions {
  /** Unique in the machine. Default: `virtio0`, or the next that is free. */
  name?: string
  /** What brings it to the guest: registers in memory (the default), or a function of PCI. */
  transport?: 'mmio' | 'pci'
}

/** Puts a virtio device into a machine, where stock kernels find it. */
export function virtio(device: VirtioDevice, options: VirtioOptions = {}): MachineDevice {
  checkOptions('options', options, ['name', 'transport'])
  const transport = checkOneOf('transport', options.transport ?? 'mmio', ['mmio', 'pci'])
  return {
    attach(host: DeviceHost) {
      const name = options.name ?? host.freeName('virtio')
      if (transport === 'mmio') host.add(mmioNode(device, name))
      else host.pci.add({ name, device: (context) => new VirtioPci(device, context) })
    },
  }
}

function mmioNode(device: VirtioDevice, name: string): DeviceNode {
  return {
    name,
    device: (context) => new VirtioMmio(device, context),
    resources: [{ memory: 'any', length: MMIO_LENGTH }, { gsi: 'any' }],
    acpi: { hid: VIRTIO_MMIO },
  }
}
