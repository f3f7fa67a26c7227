import { StateReader } from '../state.js'
import type { QueueAddresses, RingState } from './ring.js'

export type AddressName = keyof QueueAddresses
/** A 64-bit address, as drivers write it: low and high half. */
type Halves = [low: number, high: number]

/** What a driver has said of a queue, as plain data. */
export interface QueueState {
  size: number
  ready: boolean
  descriptors: Halves
  driver: Halves
  device: Halves
  /** Where an active queue stands. */
  ring?: RingState
}

const UINT32 = 2 ** 32
const MAX_UINT32 = 0xffff_ffff
const MAX_UINT16 = 0xffff
/** The wrap counter of a packed ring, beside its place. */
export const WRAP = 1 << 15
export const AREAS = ['descriptors', 'driver', 'device'] as const

/** The registers of a queue. Those that describe it do not change while it is ready. */
export class QueueRegisters {
  readonly maxSize: number
  size: number
  ready = false
  /** The driver has asked for its reset, which is not over. A machine that is paused has none such. */
  isResetting = false
  #areas: Record<AddressName, Halves> = { descriptors: [0, 0], driver: [0, 0], device: [0, 0] }

  constructor(maxSize: number) {
    this.maxSize = maxSize
    this.size = maxSize
  }

  /** Where the queue is. What is above 2^53 is not exact, and outside of memory either way. */
  get addresses(): QueueAddresses {
    const address = ([low, high]: Halves) => high * UINT32 + low
    const { descriptors, driver, device } = this.#areas
    return { descriptors: address(descriptors), driver: address(driver), device: address(device) }
  }

  /** Another size is not taken: the driver reads back what it has. */
  setSize(size: number): void {
    if (!this.ready && size > 0 && size <= this.maxSize) this.size = size
  }

  /** `half` is 0 for the low one. */
  setAddress(name: AddressName, half: 0 | 1, value: number): void {
    if (!this.ready) this.#areas[name][half] = value
  }

  address(name: AddressName, half: 0 | 1): number {
    return this.#areas[name][half]
  }

  reset(): void {
    this.size = this.maxSize
    this.ready = this.isResetting = false
    for (const name of AREAS) this.#areas[name] = [0, 0]
  }

  save(ring: RingState | undefined): QueueState {
    const { descriptors, driver, device } = structuredClone(this.#areas)
    return { size: this.size, ready: this.ready, descriptors, driver, device, ...(ring === undefined ? {} : { ring }) }
  }

  /** Reads all of it: of a packed queue, or of a split one. What is returned takes it over. */
  read(device: string, state: unknown, packed: boolean): { ring: RingState | undefined; apply: () => void } {
    const reader = new StateReader(device, state)
    const size = reader.integer('size', this.maxSize, 1)
    const ready = reader.boolean('ready')
    const areas = AREAS.map((name) => [name, reader.integers(name, 2, MAX_UINT32, true) as Halves] as const)
    const { ring } = state as Partial<QueueState>
    const apply = () => {
      this.size = size
      this.ready = ready
      for (const [name, halves] of areas) this.#areas[name] = halves
    }
    return { ring: ring === undefined ? undefined : readRing(device, ring, packed ? size : undefined), apply }
  }
}

/** `places`: of a packed ring, in which it stands at one of them. The indices of a split one may be any. */
function readRing(device: string, state: unknown, places: number | undefined): RingState {
  const reader = new StateReader(device, state)
  const index = (member: keyof RingState) => {
    const value = reader.integer(member, MAX_UINT16)
    if (places === undefined) return value
    const round = value & WRAP
    return reader.integer(member, round + places - 1, round)
  }
  return { available: index('available'), used: index('used') }
}
