import type { AddressRange } from '../arch/x86/memory-layout.js'
import type { DeviceContext } from '../bus/device-context.js'
import type { Device } from '../bus/device.js'

/** A range of ports or of guest physical addresses at which a device answers. */
export interface Range {
  /** How many ports, or bytes. */
  length: number
  /** The device's offset of the first one. Default: 0. */
  offset?: number
}

/** How a guest is told to see an interrupt. */
export type Trigger = 'edge' | 'level'

/** What a device needs of the machine. `any` lets the machine choose. */
export type NodeResource =
  | ({ port: number | 'any'; memory?: never; gsi?: never } & Range)
  | ({ memory: number | 'any'; port?: never; gsi?: never } & Range)
  /**
   * An interrupt of the machine's interrupt controllers. `trigger`: how the guest is told to see it; default `edge` for the
   * lines of the ISA bus (below 16), else `level`. Devices share a line by naming the same number, with the same trigger.
   */
  | { gsi: number | 'any'; trigger?: Trigger; port?: never; memory?: never }

/** A resource whose place is known. */
export type PlacedResource =
  | ({ port: number; memory?: never; gsi?: never } & Range)
  | ({ memory: number; port?: never; gsi?: never } & Range)
  | { gsi: number; trigger: Trigger; port?: never; memory?: never }

/** How a guest's firmware tables name a device. */
export interface AcpiName {
  /** `PNP0501`, or a longer identifier such as `QEMU0001`: a guest's driver looks for it. */
  hid: string
  /** Four characters at most, unique: `COM1`. Default: one that is free. */
  name?: string
  /** Tells devices with the same `hid` apart. */
  uid?: number
  /** Its first memory is PCI's configuration space, of bus 0: it has a table of its own, too. */
  ecam?: boolean
  /** It is the root of PCI's bus 0. */
  pciRoot?: PciRoot
  /** It is the VM generation ID. The first interrupt says that it has changed. */
  generationId?: { /** Guest physical address of its 16 bytes. */ address: number }
  /** It is a high precision event timer, at its first memory: it has a table of its own, too. */
  hpet?: { /** The event timer block id, of its first register. */ id: number; /** In ticks. */ minimumTick: number }
}

/** What a guest has to know of a PCI bus. */
export interface PciRoot {
  /** Where it may put what it finds. */
  ports: AddressRange
  memory: AddressRange
  /** The interrupt line of the functions in each slot, from slot 0 on. They are level-triggered, and all of INTA. */
  lines: readonly number[]
}

/** ACPI's fixed hardware (ACPI 6.5, 4.8): registers by their offset from the device's first port. Its interrupt is the SCI. */
export interface FixedHardware {
  /** PM1a_EVT_BLK: PM1 status and enable, 4 bytes. */
  event: number
  /** PM1a_CNT_BLK: 2 bytes. */
  control: number
  /** PM_TMR_BLK: 4 bytes; absent when there is no PM timer. */
  timer?: number
  /** Writing `value` there resets the machine. */
  reset?: { offset: number; value: number }
  /** The values of SLP_TYP that sleep with the memory kept, where there are any, and that power the machine off. */
  sleepTypes: { s3?: number; s5: number }
}

/** What a machine consists of: something that takes resources, and that the guest may be told of. */
export interface HardwareNode {
  /** Unique in the machine: `serial0`. */
  name: string
  /** Where it is; in the order in which the context and the tables have them. */
  resources: readonly NodeResource[]
  /** Absent: the guest's tables do not name it. */
  acpi?: AcpiName | { fixed: FixedHardware }
  /**
   * It gives way: where another device comes to a part of its place, it is taken off the bus. For what answers where no device
   * is. Default: false.
   */
  yields?: boolean
}

/** The same in its place. */
export interface PlacedHardware extends Omit<HardwareNode, 'resources'> {
  resources: readonly PlacedResource[]
}

/**
 * A device and what it needs, as data: a machine finds it a place, maps it, keeps it over resets under its name, and tells its
 * guest of it.
 */
export interface DeviceNode extends HardwareNode {
  /** The device; or a function that makes it, once, of what the machine has for it. */
  device: Device | ((context: DeviceContext) => Device)
}

/** A node whose resources have places. */
export interface PlacedNode extends PlacedHardware {
  device: DeviceNode['device']
}
