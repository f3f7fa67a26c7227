import { KvmError } from '../errors.js'
import { hex } from '../format.js'
import { type Cell, ValueCell } from './cells.js'
import { type Device, isStateful } from './device.js'
import { deviceFailure, deviceName } from './device-failure.js'
import { promised } from './in-order.js'

/** A device at its place on a bus. */
export interface BusMapping {
  /** The first address. */
  readonly start: number
  readonly length: number
  /** The device's offset of the first address; 0 unless only a part of the device is mapped here. */
  readonly offset: number
  /** Whether it is unmapped as a whole when another device is mapped over a part of it. */
  readonly yields: boolean
  /** What messages call it. */
  readonly name: string
  /** The device that answers now. */
  readonly device: Device
  /**
   * Another device answers from now on, with its cells. When both save and restore their state, the new one takes it over.
   * What throws on the way (`ERR_KVM_INVALID_STATE`) leaves the old device in place.
   */
  replace(device: Device): void
  /** Takes the device off the bus. Doing it again does nothing. */
  unmap(): void
}

/** Where cells take effect: a `Vm`. */
export interface CellHome {
  /** Whether they do not, at present. */
  readonly closed: boolean
  mapCells(
    at: { port: number } | { address: number },
    cells: readonly Cell[],
    listener: (offset: number, data: Uint8Array) => void,
  ): { close(): void }
}

/** What a mapping has of its bus. */
interface Home {
  bus: 'port' | 'mmio'
  /** Where its devices' cells take effect, if anywhere. */
  cells: CellHome | undefined
  fail: ((error: unknown) => void) | undefined
  /** The name that the device was mapped with. */
  name: string | undefined
  remove: (mapping: Mapping) => void
}

type Place = Pick<BusMapping, 'start' | 'length' | 'offset' | 'yields'>

/** @internal The bus's own view of a mapping. */
export class Mapping implements BusMapping {
  readonly start: number
  readonly length: number
  readonly offset: number
  readonly yields: boolean
  /** One past the last address. */
  readonly end: number
  device: Device
  readonly #home: Home
  #cells: { close(): void } | undefined
  // The index registers among them.
  #indexes: readonly ValueCell[] = []
  #mapped = true

  constructor(place: Place, device: Device, home: Home) {
    this.start = place.start
    this.length = place.length
    this.offset = place.offset
    this.yields = place.yields
    this.end = place.start + place.length
    this.device = device
    this.#home = home
  }

  get name(): string {
    return deviceName(this.device, this.#home.name)
  }

  read(address: number, data: Uint8Array): void | Promise<void> {
    return this.#access(address, data, false)
  }

  write(address: number, data: Uint8Array): void | Promise<void> {
    const offset = address - this.start + this.offset
    // The threads do not know of this choice.
    for (const index of this.#indexes) {
      if (index.offset < offset + data.length && offset < index.offset + index.width) index.chooses?.clear()
    }
    return this.#access(address, data, true)
  }

  #access(address: number, data: Uint8Array, isWrite: boolean): void | Promise<void> {
    const offset = address - this.start + this.offset
    const fail = (error: unknown): never => {
      throw this.failure(address, data.length, isWrite, error)
    }
    try {
      return promised(isWrite ? this.device.write(offset, data) : this.device.read(offset, data))?.catch(fail)
    } catch (error) {
      return fail(error)
    }
  }

  replace(device: Device): void {
    this.#checkMapped()
    const old = this.device
    if (device === old) return
    if (isStateful(old) && isStateful(device)) device.restore(old.save())
    this.closeCells()
    this.device = device
    try {
      this.openCells()
    } catch (error) {
      this.device = old
      this.openCells()
      throw error
    }
  }

  /** From now on the device's cells answer. Those that are not mapped as a whole are left out. */
  openCells(): void {
    const { cells: home, bus } = this.#home
    const inside = (this.device.cells ?? []).filter(
      ({ offset, width }) => offset >= this.offset && offset + width <= this.offset + this.length,
    )
    const start = this.start - this.offset
    // A device whose first register would lie below the first address works without.
    if (home === undefined || home.closed || inside.length === 0 || start < 0) return
    this.#cells = home.mapCells(bus === 'port' ? { port: start } : { address: start }, inside, (offset, data) => {
      this.#post(offset, data)
    })
    this.#indexes = inside.filter((cell) => cell instanceof ValueCell).filter(({ chooses }) => chooses !== undefined)
  }

  /** Every access reaches the device, which hears what has been chosen: it may not have, yet. */
  closeCells(): void {
    const choices = this.#indexes.map(({ offset, chooses }) => ({ offset, chosen: chooses?.chosen }))
    this.#cells?.close()
    this.#cells = undefined
    this.#indexes = []
    for (const { offset, chosen } of choices) {
      if (chosen !== undefined) this.#post(offset, Uint8Array.of(chosen))
    }
  }

  unmap(): void {
    if (!this.#mapped) return
    this.#mapped = false
    this.#home.remove(this)
    this.closeCells()
  }

  /** A write for which no vCPU waits, nor for its promise. */
  #post(offset: number, data: Uint8Array): void {
    const pending = this.#access(offset - this.offset + this.start, data, true)
    if (this.#home.fail !== undefined) pending?.catch(this.#home.fail)
  }

  failure(address: number, length: number, isWrite: boolean, cause: unknown): KvmError {
    const offset = address - this.start + this.offset
    return deviceFailure({ device: this.name, bus: this.#home.bus, address, offset, length, isWrite }, cause)
  }

  #checkMapped(): void {
    if (this.#mapped) return
    throw new KvmError('ERR_KVM_CLOSED', `the mapping at ${hex(this.start)} has been unmapped`, {
      operands: { start: this.start, length: this.length },
    })
  }
}
