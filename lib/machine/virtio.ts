import type { DeviceContext } from '../bus/device-context.js'
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

/** What a virtio device can reach beyond its transport. */
export type VirtioContext = Pick<DeviceContext, 'effects' | 'fail'>

/** Puts a virtio device into a machine, where stock kernels find it. */
export function virtio(device: VirtioDevice, options: VirtioOptions = {}): MachineDevice {
  checkOptions('options', options, ['name', 'transport'])
  const place = checkVirtioOptions(options)
  return {
    attach(host: DeviceHost) {
      addVirtio(host, place, () => device)
    },
  }
}

export type VirtioPlace = ReturnType<typeof checkVirtioOptions>

export function checkVirtioOptions({ name, transport }: VirtioOptions) {
  return { name, transport: checkOneOf('transport', transport ?? 'mmio', ['mmio', 'pci']) }
}

/** `make` makes the device, once. */
export function addVirtio(host: DeviceHost, place: VirtioPlace, make: (context: VirtioContext) => VirtioDevice): void {
  const name = place.name ?? host.freeName('virtio')
  if (place.transport === 'pci') {
    host.pci.add({ name, device: (context) => new VirtioPci(make(context), context) })
    return
  }
  host.add({
    name,
    device: (context) => new VirtioMmio(make(context), context),
    resources: [{ memory: 'any', length: MMIO_LENGTH }, { gsi: 'any' }],
    acpi: { hid: VIRTIO_MMIO },
  })
}
