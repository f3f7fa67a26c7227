import { KvmError } from '../errors.js'
import type { Device } from './device.js'
import type { BusMapping } from './mapping.js'

/**
 * A device whose guest chooses where it is on a bus, and whether it is there at all, such as behind a base address register of
 * PCI. The handle stays the same wherever it goes, and the device's cells go with it.
 */
export interface BusRegion {
  /** The first address; undefined while it is nowhere. */
  readonly start: number | undefined
  readonly length: number
  readonly device: Device
  /** How often it was to be where there is no place for it. */
  readonly refused: number
  /**
   * Puts it there; without an address, nowhere. A guest may choose any place, so one that is taken, or does not exist, is no
   * exception: the answer is false, and the region is nowhere.
   */
  move(start: number | undefined): boolean
}

/** What a region has of its bus. */
interface Home {
  isFree(start: number, length: number): boolean
  map(start: number, length: number, device: Device, options: { name?: string }): BusMapping
}

/** @internal */
export class Region implements BusRegion {
  readonly length: number
  readonly device: Device
  readonly #bus: Home
  readonly #options: { name?: string }
  #mapping: BusMapping | undefined
  #refused = 0

  constructor(bus: Home, length: number, device: Device, options: { name?: string }) {
    this.#bus = bus
    this.length = length
    this.device = device
    this.#options = options
  }

  get start(): number | undefined {
    return this.#mapping?.start
  }

  get refused(): number {
    return this.#refused
  }

  move(start: number | undefined): boolean {
    if (start === this.start) return true
    this.#mapping?.unmap()
    this.#mapping = undefined
    if (start === undefined) return true
    const moved = this.#map(start)
    if (!moved) this.#refused++
    return moved
  }

  #map(start: number): boolean {
    if (!this.#bus.isFree(start, this.length)) return false
    try {
      this.#mapping = this.#bus.map(start, this.length, this.device, this.#options)
      return true
    } catch (error) {
      // Its cells have been in the register page before, and others may have taken their place meanwhile.
      if (error instanceof KvmError && error.code === 'ERR_KVM_CELL_LIMIT') return false
      throw error
    }
  }
}
