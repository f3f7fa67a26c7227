/**
 * A PCI bus and functions on it: a device of one's own, without KVM or in a machine.
 *
 * @packageDocumentation
 */
export type { PciAddress } from './address.js'
export type { BarStatus } from './base-address.js'
export { CONFIG_PORTS_LENGTH, ConfigPorts, type ConfigPortsState } from './config-ports.js'
export type { BarPlace, OpenDoorbell } from './doorbells.js'
export { Ecam, ECAM_LENGTH } from './ecam.js'
export { PciFunction, type PciFunctionState } from './function.js'
export type { Message, MessageRoutes } from './messages.js'
export type { MsixState } from './msix.js'
export { PciBus, type PciBusOptions, type PciNode } from './pci-bus.js'
export type {
  PciBar,
  PciCapability,
  PciContext,
  PciDevice,
  PciDeviceFactory,
  PciIdentity,
  PciVector,
} from './pci-device.js'
export type { PciSurroundings } from './surroundings.js'
