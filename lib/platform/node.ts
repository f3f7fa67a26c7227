import type { DeviceContext } from '../bus/device-context.js'
import type { Device } from '../bus/device.js'

/** A range of ports or of guest physical addresses at which a device answers. */
export interface Range {
  /** How many ports, or bytes. */
  length: number
  /** The device's offset of the first one. Default: 0. */
  offset?: number
}

/** What a device needs of the machine. `any` lets the machine choose. */
export type NodeResource =
  | ({ port: number | 'any'; memory?: never; gsi?: never } & Range)
  | ({ memory: number | 'any'; port?: never; gsi?: never } & Range)
  /**
   * An interrupt of the machine's interrupt controllers. `trigger`: how the guest is told to see it; default `edge` for the
   * lines of the ISA bus (below 16), else `level`.
   */
  | { gsi: number | 'any'; trigger?: 'edge' | 'level'; port?: never; memory?: never }

/** How a guest's firmware tables name a device. */
export interface AcpiName {
  /** `PNP0501`, or a longer identifier such as `QEMU0001`: a guest's driver looks for it. */
  hid: string
  /** Four characters at most, unique: `COM1`. Default: one that is free. */
  name?: string
  /** Tells devices with the same `hid` apart. */
  uid?: number
}

/**
 * A device and what it needs, as data: a machine finds it a place, maps it, keeps it over resets under its name, and tells its
 * guest of it.
 */
export interface DeviceNode {
  /** Unique in the machine: `serial0`. */
  name: string
  /** The device; or a function that makes it, once, of what the machine has for it. */
  device: Device | ((context: DeviceContext) => Device)
  /** Where it is; in the order in which the context and the tables have them. */
  resources: readonly NodeResource[]
  /** Absent: the guest's tables do not name it. */
  acpi?: AcpiName
  /**
   * It gives way: where another device comes to a part of its place, it is taken off the bus. For what answers where no device
   * is. Default: false.
   */
  yields?: boolean
}
