import { KvmError } from '../errors.js'
import { hex } from '../format.js'
import { checkBoolean, checkInteger, checkOneOf, checkOptions, invalidArgument } from '../validate.js'
import { Cell } from './cells.js'
import type { Device } from './device.js'
import { inOrder } from './in-order.js'
import { type BusMapping, type CellHome, Mapping } from './mapping.js'
import { type BusRegion, Region } from './region.js'

export interface BusOptions {
  /** What messages call it. */
  name: 'port' | 'mmio'
  /** How many addresses there are: 0x10000 for ports, 2 ** 52 for guest physical addresses. */
  size: number
  /** Throw `ERR_KVM_UNCLAIMED_ACCESS` where no device answers, instead of reading ones. Default: false. */
  strict?: boolean
  /** Where the cells of its devices take effect: a `Vm`. Default: nowhere, and every access reaches its device. */
  cells?: CellHome
  /** Takes the `ERR_KVM_DEVICE_FAILED` with which the promise of a posted write rejects. Default: nobody handles it. */
  fail?: (error: unknown) => void
}

export interface MapOptions {
  /** The device's offset of the first address, for a device whose registers lie in several places. Default: 0. */
  offset?: number
  /**
   * The mapping gives way: where another device is mapped over a part of it, the whole of it is unmapped. For what answers
   * where no device is. Default: false.
   */
  yields?: boolean
  /** What messages call the device. Default: the name of its class. */
  name?: string
}

/** An access that no device answered. */
export interface UnclaimedAccess {
  readonly address: number
  readonly length: number
  readonly isWrite: boolean
}

/** How often no device answered. */
export interface Unclaimed {
  readonly reads: number
  readonly writes: number
  readonly last?: UnclaimedAccess
}

const ONES = 0xff

/**
 * An address space with devices in it: the ports, or the guest physical addresses that are not memory.
 *
 * Where no device is mapped, reads return ones and writes are swallowed, as on an ISA bus, and both are counted. An access
 * that crosses from one device into another, or into nothing, is split there.
 */
export class Bus {
  readonly name: 'port' | 'mmio'
  readonly size: number
  readonly strict: boolean
  readonly #cells: CellHome | undefined
  readonly #fail: ((error: unknown) => void) | undefined
  // Sorted by address; they never overlap.
  readonly #mappings: Mapping[] = []
  // Accesses come in runs: the last device found is likely the next one.
  #last: Mapping | undefined
  #reads = 0
  #writes = 0
  #lastUnclaimed: UnclaimedAccess | undefined

  constructor(options: BusOptions) {
    checkOptions('options', options, ['name', 'size', 'strict', 'cells', 'fail'])
    this.name = checkOneOf('name', options.name, ['port', 'mmio'])
    this.size = checkInteger('size', options.size, 1, Number.MAX_SAFE_INTEGER)
    this.strict = checkBoolean('strict', options.strict ?? false)
    this.#cells = checkHome(options.cells)
    this.#fail = checkFail(options.fail)
  }

  /** The devices, lowest address first. */
  get mappings(): readonly BusMapping[] {
    return [...this.#mappings]
  }

  get unclaimed(): Unclaimed {
    const counts = { reads: this.#reads, writes: this.#writes }
    return this.#lastUnclaimed === undefined ? counts : { ...counts, last: this.#lastUnclaimed }
  }

  /**
   * Puts a device at `length` addresses from `start`; possible at any time.
   * Throws `ERR_KVM_BUS_OVERLAP` where one of them is taken, by a mapping that does not yield.
   */
  map(start: number, length: number, device: Device, options: MapOptions = {}): BusMapping {
    checkOptions('options', options, ['offset', 'yields', 'name'])
    const place = {
      start: checkInteger('start', start, 0, this.size - 1),
      length: checkInteger('length', length, 1, this.size - start),
      offset: checkInteger('offset', options.offset ?? 0, 0, Number.MAX_SAFE_INTEGER - length),
      yields: checkBoolean('yields', options.yields ?? false),
    }
    checkDevice(device)
    checkName(options.name)
    const first = this.#position(start)
    const overlapped = this.#mappings.slice(first).filter((mapping) => mapping.start < start + length)
    const taken = overlapped.find(({ yields }) => !yields)
    if (taken !== undefined) throw this.#overlap(place, taken)
    const mapping = new Mapping(place, device, {
      bus: this.name,
      name: options.name,
      cells: this.#cells,
      fail: this.#fail,
      remove: (gone) => {
        this.#remove(gone)
      },
    })
    for (const gone of overlapped) gone.closeCells()
    try {
      mapping.openCells()
    } catch (error) {
      for (const kept of overlapped) kept.openCells()
      throw error
    }
    this.#mappings.splice(first, overlapped.length, mapping)
    for (const gone of overlapped) gone.unmap()
    return mapping
  }

  /** A device of that length for which its guest chooses the place: it is nowhere until it is moved. */
  region(length: number, device: Device, options: Pick<MapOptions, 'name'> = {}): BusRegion {
    checkOptions('options', options, ['name'])
    checkInteger('length', length, 1, this.size)
    checkDevice(device)
    checkName(options.name)
    return new Region(this, length, device, options)
  }

  /** Whether all of these addresses exist, and nothing is there, not even what would yield. */
  isFree(start: number, length: number): boolean {
    if (!(start >= 0 && start + length <= this.size)) return false
    const next = this.#mappings[this.#position(start)]
    return next === undefined || next.start >= start + length
  }

  /** Asks again where cells take effect: what that says has changed. @internal */
  refreshCells(): void {
    for (const mapping of this.#mappings) {
      mapping.closeCells()
      mapping.openCells()
    }
  }

  /**
   * Fills `data` with what a read of that width returns, when the promise has resolved if there is one. Throws, or rejects
   * with, `ERR_KVM_DEVICE_FAILED` when the device that is there does.
   */
  read(address: number, data: Uint8Array): void | Promise<void> {
    const mapping = this.#find(address)
    if (mapping !== undefined && address + data.length <= mapping.end) return mapping.read(address, data)
    return this.#split(address, data, false)
  }

  /** Hands a write of that width to the device that is there. Throws, or rejects with, `ERR_KVM_DEVICE_FAILED` when it does. */
  write(address: number, data: Uint8Array): void | Promise<void> {
    const mapping = this.#find(address)
    if (mapping !== undefined && address + data.length <= mapping.end) return mapping.write(address, data)
    return this.#split(address, data, true)
  }

  #split(address: number, data: Uint8Array, isWrite: boolean): void | Promise<void> {
    const end = address + data.length
    let holes = 0
    const parts: (() => void | Promise<void>)[] = []
    for (let at = address; at < end;) {
      const mapping = this.#find(at)
      const next = Math.min(end, mapping?.end ?? this.#mappings[this.#position(at)]?.start ?? end)
      const part = data.subarray(at - address, next - address)
      const from = at
      if (mapping !== undefined) parts.push(() => (isWrite ? mapping.write(from, part) : mapping.read(from, part)))
      else {
        holes++
        if (!isWrite) part.fill(ONES)
      }
      at = next
    }
    return inOrder(parts, () => {
      if (holes > 0) this.#unclaimed({ address, length: data.length, isWrite })
    })
  }

  #unclaimed(access: UnclaimedAccess): void {
    if (access.isWrite) this.#writes++
    else this.#reads++
    this.#lastUnclaimed = access
    if (!this.strict) return
    const { address, length, isWrite } = access
    throw new KvmError(
      'ERR_KVM_UNCLAIMED_ACCESS',
      `no device answers the ${isWrite ? 'write' : 'read'} of ${length} bytes at ${this.name} ${hex(address)}`,
      { operands: { bus: this.name, ...access } },
    )
  }

  #find(address: number): Mapping | undefined {
    const last = this.#last
    if (last !== undefined && address >= last.start && address < last.end) return last
    const mapping = this.#mappings[this.#position(address)]
    if (mapping === undefined || address < mapping.start) return undefined
    this.#last = mapping
    return mapping
  }

  /** The index of the first mapping that has `address` or lies above it. */
  #position(address: number): number {
    let low = 0
    let high = this.#mappings.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const mapping = this.#mappings[middle]
      if (mapping !== undefined && mapping.end <= address) low = middle + 1
      else high = middle
    }
    return low
  }

  #remove(mapping: Mapping): void {
    const index = this.#mappings.indexOf(mapping)
    if (index >= 0) this.#mappings.splice(index, 1)
    this.#last = undefined
  }

  #overlap(wanted: { start: number; length: number }, taken: Mapping): KvmError {
    const range = (start: number, length: number) => `${hex(start)} to ${hex(start + length - 1)}`
    return new KvmError(
      'ERR_KVM_BUS_OVERLAP',
      `the ${this.name} range ${range(wanted.start, wanted.length)} overlaps ${range(taken.start, taken.length)}, where a device is mapped`,
      {
        operands: {
          bus: this.name,
          wanted: { start: wanted.start, length: wanted.length },
          taken: { start: taken.start, length: taken.length },
        },
      },
    )
  }
}

function checkHome(home: unknown): CellHome | undefined {
  const { mapCells } = (home ?? {}) as Partial<CellHome>
  if (home !== undefined && typeof mapCells !== 'function') throw invalidArgument('cells', home, 'a Vm')
  return home as CellHome | undefined
}

function checkFail(fail: unknown): ((error: unknown) => void) | undefined {
  if (fail !== undefined && typeof fail !== 'function') throw invalidArgument('fail', fail, 'a function')
  return fail as ((error: unknown) => void) | undefined
}

function checkDevice(device: unknown): void {
  const { read, write, cells } = (typeof device === 'object' && device !== null ? device : {}) as Partial<Device>
  if (typeof read !== 'function' || typeof write !== 'function') {
    throw invalidArgument('device', device, 'a device with read() and write()')
  }
  if (cells !== undefined && !(Array.isArray(cells) && cells.every((cell) => cell instanceof Cell))) {
    throw invalidArgument("the device's cells", cells, 'an array of cells')
  }
}

function checkName(name: unknown): void {
  if (name !== undefined && (typeof name !== 'string' || name === '')) {
    throw invalidArgument('name', name, 'a string that is not empty')
  }
}
