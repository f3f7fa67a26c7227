import type { Device } from '../bus/device.js'
import type { DeviceContext, Doorbell, DoorbellOptions, DoorbellTarget } from '../bus/device-context.js'
import type { HostEvent } from '../bus/host-event.js'
import type { InterruptLine } from '../bus/interrupt-line.js'
import type { DeviceMemory } from '../memory/device-memory.js'

/** What a function says it is: by this a guest chooses its driver. */
export interface PciIdentity {
  /** 16 bits each. */
  vendor: number
  device: number
  /** Base class, subclass and programming interface: `0x01_08_02` is an NVMe controller. */
  class: number
  /** Default: 0. */
  revision?: number
  /** Default: the vendor, and 0. */
  subsystemVendor?: number
  subsystem?: number
}

/** Registers, or memory, of a function, at a place that the guest chooses. */
export interface PciBar {
  kind: 'memory' | 'port'
  /** A power of two: 16 bytes of memory at least, or 4 to 256 ports. */
  length: number
  /** Which base address register it is, 0 to 5; one of 64 bits takes the next one, too. Default: the first that is free. */
  index?: number
  /** How large its addresses can be. Default: 32. Ports have 32. */
  width?: 32 | 64
  /** Reading it changes nothing. Default: false. */
  prefetchable?: boolean
  /** What answers there. The function's own `reset()` and so on are called; not this one's. */
  device: Pick<Device, 'read' | 'write' | 'cells'>
}

/** A capability beside those that the function has by itself. */
export interface PciCapability {
  /** Its number: 0x09 is one of the vendor's own. */
  id: number
  /** What comes after its number and the pointer to the next one. */
  bytes: Uint8Array
  /** Bits that a guest can write, for each of the bytes. Default: none. */
  writable?: Uint8Array
  /** Bits that a guest clears by writing ones. Default: none. */
  clearable?: Uint8Array
  /** Called before a read of some of the bytes, and after a write: they are in `bytes`. What a promise stands for is waited for. */
  reading?: (offset: number, length: number) => void | Promise<void>
  written?: (offset: number, length: number) => void | Promise<void>
}

/** A function of PCI, as whoever writes one sees it. All but its identity is optional. */
export interface PciDevice extends Pick<Device, 'reset' | 'save' | 'restore' | 'pause' | 'resume' | 'close'> {
  readonly identity: PciIdentity
  /** At most six, as many as there are registers. */
  readonly bars?: readonly PciBar[]
  /** Whether it interrupts by a line (INTx). Default: false. */
  readonly pin?: boolean
  /** How many message-signalled interrupts (MSI-X) it has, up to 2048; their table is in a BAR of its own. Default: 0, none. */
  readonly vectors?: number
  readonly capabilities?: readonly PciCapability[]
}

/** A message-signalled interrupt. */
export interface PciVector {
  /**
   * Interrupts the guest. While the vector is masked, or the function is no bus master, it is pending; while MSI-X is off,
   * nothing happens.
   */
  trigger(): void
  /**
   * From now on, until that is closed, the kernel takes `event` for a trigger while the vector can be sent at once. When it cannot,
   * because it is masked or the like, whoever has made the event hears of it, and calls {@link trigger}.
   */
  connect(event: HostEvent): { close(): void }
}

/** All that a function of PCI can reach beyond its registers. */
export interface PciContext extends Omit<DeviceContext, 'memory' | 'interrupt' | 'doorbell'> {
  /** The guest's memory, for DMA. While the guest has not made the function a bus master, it answers as if there were none. */
  readonly memory: DeviceMemory
  /** The function's interrupt line, for one that has a `pin`. It is low while the guest uses MSI-X. */
  readonly interrupt: () => InterruptLine
  /** The vector with that number, for one that has `vectors`. */
  readonly vector: (index: number) => PciVector
  /** Whether the guest has MSI-X switched on: then vectors arrive, and the line does not. */
  readonly messages: boolean
  /** As {@link DeviceContext.doorbell}, in that BAR: it goes with the BAR wherever the guest moves it. */
  readonly doorbell: (bar: number, options: DoorbellOptions, ring: DoorbellTarget) => Doorbell
}

/** A function, once, of what it is given. */
export type PciDeviceFactory = (context: PciContext) => PciDevice
