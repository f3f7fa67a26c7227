import type { DeviceNode } from '../platform/node.js'
import { VIRTIO_MMIO } from '../platform/pnp-ids.js'
import { checkOptions } from '../validate.js'
import { VirtioMmio } from '../virtio/mmio.js'
import { MMIO_LENGTH } from '../virtio/mmio-registers.js'
import type { VirtioDevice } from '../virtio/virtio-device.js'
import type { DeviceHost, MachineDevice } from './host.js'

export interface VirtioOptions {
  /** Unique in the machine. Default: `virtio0`, or the next that is free. */
  name?: string
}

/** Puts a virtio device into a machine, where stock kernels find it. */
export function virtio(device: VirtioDevice, options: VirtioOptions = {}): MachineDevice {
  checkOptions('options', options, ['name'])
  return {
    attach(host: DeviceHost) {
      host.add(mmioNode(device, options.name ?? host.freeName('virtio')))
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
