import type { DeviceContext } from '../bus/device-context.js'
import { VIRTIO_MMIO } from '../platform/pnp-ids.js'
import { checkInteger, checkOneOf, checkOptions, invalidArgument } from '../validate.js'
import { VirtioMmio } from '../virtio/mmio.js'
import { MMIO_LENGTH } from '../virtio/mmio-registers.js'
import { VirtioPci } from '../virtio/pci.js'
import type { VirtioDevice } from '../virtio/virtio-device.js'
import type { DeviceHost, MachineDevice } from './host.js'

const MAX_ADDRESS = 2 ** 52 - MMIO_LENGTH
const MAX_GSI = 0xffff

export interface VirtioOptions {
  /** Unique in the machine. Default: `virtio0`, or the next that is free. */
  name?: string
  /** What brings it to the guest: registers in memory (the default), or a function of PCI. */
  transport?: 'mmio' | 'pci'
  /** Where registers in memory are, for a guest that has to be told. Default: where there is room. */
  place?: VirtioPlace
}

/** Where a virtio device is that has its registers in memory. */
export interface VirtioPlace {
  /** The first address of its registers, a multiple of 512. */
  address: number
  /** Its interrupt line. */
  gsi: number
}

/** What a virtio device can reach beyond its transport. */
export type VirtioContext = Pick<DeviceContext, 'effects' | 'fail'>

/** Puts a virtio device into a machine, where stock kernels find it. */
export function virtio(device: VirtioDevice, options: VirtioOptions = {}): MachineDevice {
  checkOptions('options', options, ['name', 'transport', 'place'])
  const checked = checkVirtioOptions(options)
  return {
    attach(host: DeviceHost) {
      addVirtio(host, checked, () => device)
    },
  }
}

/**
 * What Linux needs on its command line to find a device at that place, where it has no ACPI (`acpi=off`). With ACPI it finds the
 * device by itself, and must not be told.
 */
export function virtioParameter(place: VirtioPlace): string {
  const { address, gsi } = checkPlace(place)
  return `virtio_mmio.device=${MMIO_LENGTH}@0x${address.toString(16)}:${gsi}`
}

export type CheckedVirtioOptions = ReturnType<typeof checkVirtioOptions>

export function checkVirtioOptions({ name, transport, place }: VirtioOptions) {
  const checked = checkOneOf('transport', transport ?? 'mmio', ['mmio', 'pci'])
  if (place !== undefined && checked === 'pci') {
    throw invalidArgument('place', place, 'left out: a function of PCI goes where the guest puts it')
  }
  return { name, transport: checked, place: place && checkPlace(place) }
}

function checkPlace(place: VirtioPlace): VirtioPlace {
  const { address, gsi } = checkOptions('place', place, ['address', 'gsi']) as unknown as VirtioPlace
  checkInteger('place.address', address, 0, MAX_ADDRESS)
  if (address % MMIO_LENGTH !== 0) throw invalidArgument('place.address', address, `a multiple of ${MMIO_LENGTH}`)
  return { address, gsi: checkInteger('place.gsi', gsi, 0, MAX_GSI) }
}

/** `make` makes the device, once. */
export function addVirtio(
  host: DeviceHost,
  options: CheckedVirtioOptions,
  make: (context: VirtioContext) => VirtioDevice,
): void {
  const { transport, place } = options
  const name = options.name ?? host.freeName('virtio')
  if (transport === 'pci') {
    host.pci.add({ name, device: (context) => new VirtioPci(make(context), context) })
    return
  }
  host.add({
    name,
    device: (context) => new VirtioMmio(make(context), context),
    resources: [{ memory: place?.address ?? 'any', length: MMIO_LENGTH }, { gsi: place?.gsi ?? 'any' }],
    acpi: { hid: VIRTIO_MMIO },
  })
}
