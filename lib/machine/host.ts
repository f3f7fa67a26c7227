import type { Bus } from '../bus/bus.js'
import type { Device, Task } from '../bus/device.js'
import type { DeviceNode } from '../platform/node.js'
import type { PciFunction } from '../pci/function.js'
import type { PciNode } from '../pci/pci-bus.js'

/** The PCI bus of a machine. */
export interface PciHost {
  /** Puts in a function, which gets its places and its interrupt line at once. Throws as {@link DeviceHost.add} does. */
  add(node: PciNode): PciFunction
}

/** A machine as what is put into it sees it. */
export interface DeviceHost {
  /**
   * Puts in a device: at the places that its resources say, under its name, for all lives of the guest. Returns the device.
   * Throws `ERR_KVM_INVALID_ARGUMENT` for a name that is taken, `ERR_KVM_BUS_OVERLAP` and `ERR_KVM_MEMORY_OVERLAP` for a place
   * that is.
   */
  add(node: DeviceNode): Device
  /** The first name of `serial0`, `serial1` and so on, for `serial`, that no device has. */
  freeName(stem: string): string
  /** The machine's PCI bus; it has one from when this is asked for. */
  readonly pci: PciHost
  /** For what is mapped by hand. */
  readonly ports: Bus
  readonly mmio: Bus
  /** Where the serial line with that number, from 1 on, is by custom, and what the guest's tables call it. */
  serialLine(number: number): Pick<DeviceNode, 'resources' | 'acpi'>
}

/** Something that can be given to a machine and that is more than one device, or has more to do than to be one. */
export interface MachineDevice {
  /** Puts it in, once. */
  attach(host: DeviceHost): void
  /**
   * The machine is over: its run has ended, it was closed before it ran, or could not be created. Called once. A run waits for
   * the promise, unless the machine is closed; what it rejects with, the run rejects with.
   */
  ended?: Task
}

/** Whether that is a device with what it needs, and not something with `attach()`. */
export const isNode = (device: MachineDevice | DeviceNode): device is DeviceNode => !('attach' in device)
