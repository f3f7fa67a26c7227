import { KvmError } from '../errors.js'
import { hex } from '../format.js'
import { type Device, isStateful } from './device.js'
import { deviceFailure, deviceName } from './device-failure.js'
import { type FastPaths, isFastDevice } from './fast-paths.js'
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
   * Another device answers from now on. When both save and restore their state, the new one takes it over; fast paths move
   * too. What throws on the way (`ERR_KVM_INVALID_STATE`) leaves the old device in place.
   */
  replace(device: Device): void
  /** Offers the device's registers, and those of every device that replaces it, to the vCPU threads. */
  attachFastPaths(paths: FastPaths): void
  /** Takes the device off the bus. Doing it again does nothing. */
  unmap(): void
}

/** What a mapping has of its bus. */
interface Home {
  bus: 'port' | 'mmio'
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
  #paths: FastPaths | undefined
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
    if (this.#paths !== undefined) {
      if (isFastDevice(old)) old.detachFastPaths()
      if (isFastDevice(device)) device.attachFastPaths(this.#paths)
    }
    this.device = device
  }

  attachFastPaths(paths: FastPaths): void {
    this.#checkMapped()
    this.#paths = paths
    if (isFastDevice(this.device)) this.device.attachFastPaths(paths)
  }

  unmap(): void {
    if (!this.#mapped) return
    this.#mapped = false
    // First: a device that throws when it is told is gone as well.
    this.#home.remove(this)
    if (this.#paths !== undefined && isFastDevice(this.device)) this.device.detachFastPaths()
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
