import type { PciDevice } from './pci-device.js'

/**
 * Where a PCI bus comes out of the processor's: nothing but an identity, by which guests see that there is a bus. It is one that
 * kernels have no work-arounds for.
 */
export const hostBridge = (): PciDevice => ({ identity: { vendor: 0x8086, device: 0x0d57, class: 0x06_00_00 } })
