import { ValueCell } from '../bus/cells.js'
import type { Device, Stateful } from '../bus/device.js'
import { StateReader, type Versioned } from '../state.js'
import type { PciBus } from './pci-bus.js'
import { CONFIG_LENGTH, EXTENDED_LENGTH } from './registers.js'

/** From port 0xcf8 on. */
export const CONFIG_PORTS_LENGTH = 8
const ADDRESS = 0
const DATA = 4
const WIDTH = 4
const ONES = 0xff
const VERSION = 1

// CONFIG_ADDRESS (PCI 3.0, 3.2.2.3.2): enable, bus, slot and function, register.
const ENABLE = 0x8000_0000
const KEPT = 0x80ff_fffc
const BUS = 0xff_0000
const FUNCTION_SHIFT = 8
const FUNCTION_MASK = 0xff
const REGISTER = CONFIG_LENGTH - WIDTH

export interface ConfigPortsState extends Versioned {
  address: number
}

/**
 * Configuration mechanism 1: an address port, of which only whole words of 32 bits are the mechanism's, and a data port, whose
 * bytes are those of the register. What else is accessed there is not PCI's.
 */
export class ConfigPorts implements Device, Stateful<ConfigPortsState> {
  readonly #bus: PciBus
  readonly #others: Pick<Device, 'read' | 'write'>
  #address = 0
  // An address matters when the data port is accessed, which is no cell: until then nobody needs to be woken.
  readonly cells = [new ValueCell({ offset: ADDRESS, width: WIDTH, whole: true, write: 'lazy' })]

  /** `others` is what answers the accesses to bytes of the address port. */
  constructor(bus: PciBus, others: Pick<Device, 'read' | 'write'>) {
    this.#bus = bus
    this.#others = others
  }

  read(offset: number, data: Uint8Array): void | Promise<void> {
    if (isAddress(offset, data)) new DataView(data.buffer, data.byteOffset).setUint32(0, this.#address, true)
    else if (offset < DATA) return this.#others.read(offset, data)
    else return this.#access(offset - DATA, data, false)
  }

  write(offset: number, data: Uint8Array): void | Promise<void> {
    if (isAddress(offset, data))
      this.#address = (new DataView(data.buffer, data.byteOffset).getUint32(0, true) & KEPT) >>> 0
    else if (offset < DATA) return this.#others.write(offset, data)
    else return this.#access(offset - DATA, data, true)
  }

  reset(): void {
    this.#address = 0
  }

  save(): ConfigPortsState {
    return { version: VERSION, address: this.#address }
  }

  restore(state: ConfigPortsState): void {
    const reader = new StateReader("PCI's configuration ports", state, VERSION)
    this.#address = (reader.integer('address', 0xffff_ffff) & KEPT) >>> 0
  }

  #access(offset: number, data: Uint8Array, isWrite: boolean): void | Promise<void> {
    const address = this.#address
    if ((address & ENABLE) !== 0 && (address & BUS) === 0) {
      const found = (address >>> FUNCTION_SHIFT) & FUNCTION_MASK
      return this.#bus.access(found * EXTENDED_LENGTH + (address & REGISTER) + offset, data, isWrite)
    }
    if (!isWrite) data.fill(ONES)
  }
}

const isAddress = (offset: number, data: Uint8Array) => offset === ADDRESS && data.length === WIDTH
