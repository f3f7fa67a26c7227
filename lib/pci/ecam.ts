import type { Device } from '../bus/device.js'
import type { PciBus } from './pci-bus.js'
import { EXTENDED_LENGTH, FUNCTIONS, SLOTS } from './registers.js'

/** Of one bus. */
export const ECAM_LENGTH = SLOTS * FUNCTIONS * EXTENDED_LENGTH

/** Configuration space as memory (PCI Express Base Specification 3.0, 7.2.2): 4096 bytes of each function of bus 0. */
export class Ecam implements Device {
  readonly #bus: PciBus

  constructor(bus: PciBus) {
    this.#bus = bus
  }

  read(offset: number, data: Uint8Array): void | Promise<void> {
    return this.#bus.access(offset, data, false)
  }

  write(offset: number, data: Uint8Array): void | Promise<void> {
    return this.#bus.access(offset, data, true)
  }
}
