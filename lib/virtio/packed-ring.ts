import { type Chain, ChainBuilder } from './chain.js'
import { CheckedRing, type RingKind } from './checked-ring.js'
import { DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE, DESCRIPTOR_SIZE } from './descriptor.js'
import { driverFault } from './driver-fault.js'
import { WRAP } from './queue-registers.js'
import { type Done, hasPassed, type Ring, type RingOptions, type RingState } from './ring.js'

// A descriptor (virtio 1.2, 2.8.13): address, length, buffer id, flags.
const LENGTH = 8
const ID = 12
const FLAGS = 14
const DESC_F_AVAIL = 1 << 7
const DESC_F_USED = 1 << 15
// Event suppression (virtio 1.2, 2.8.14): offset and wrap counter, flags.
const EVENT_FLAGS = 2
const EVENT_SIZE = 4
const EVENT_F_ENABLE = 0
const EVENT_F_DISABLE = 1
const EVENT_F_DESC = 2

const MASK = 0xffff

/** A place in the ring, and how often, modulo 2, it has been gone round before. */
class Position {
  offset: number
  wrap: boolean
  readonly #size: number

  constructor(size: number, state: number) {
    this.#size = size
    this.offset = state & ~WRAP
    this.wrap = (state & WRAP) !== 0
  }

  get state(): number {
    return this.offset | (this.wrap ? WRAP : 0)
  }

  /** Returns whether it has come round. */
  advance(count: number): boolean {
    this.offset += count
    if (this.offset < this.#size) return false
    this.offset -= this.#size
    this.wrap = !this.wrap
    return true
  }
}

const KIND: RingKind = {
  wrongSize: (size) => `has made a packed queue of ${size} descriptors`,
  isSize: () => true,
  parts: {
    descriptors: {
      ...{ name: 'descriptor ring', length: (size) => DESCRIPTOR_SIZE * size },
      ...{ alignment: 16, access: 'write' },
    },
    driver: { name: 'driver event suppression', length: () => EVENT_SIZE, alignment: 4, access: 'read' },
    device: { name: 'device event suppression', length: () => EVENT_SIZE, alignment: 4, access: 'write' },
  },
}

/** A queue of one ring, in which both sides write (virtio 1.2, 2.8). */
export class PackedRing extends CheckedRing implements Ring {
  /** The chains that the device has: by buffer id, how many descriptors of the ring each has. */
  readonly #taken = new Map<number, number>()
  // Their descriptors together.
  #held = 0
  readonly #available: Position
  readonly #used: Position
  // Where the used position was when it was last asked whether the driver wants to hear.
  #told: number
  #cameRound = false

  constructor(options: RingOptions) {
    super(options, KIND)
    const { size, state } = options
    this.#available = new Position(size, state?.available ?? WRAP)
    this.#used = new Position(size, state?.used ?? WRAP)
    this.#told = this.#used.offset
  }

  pop(): Chain | undefined {
    if (!this.#isAvailable()) return undefined
    const { offset } = this.#available
    const builder = new ChainBuilder(this.memory)
    for (let count = 1; count <= this.size; count++) {
      const at = this.at.descriptors + DESCRIPTOR_SIZE * ((offset + count - 1) % this.size)
      const address = this.words.load64(at)
      const length = this.words.load32(at + LENGTH)
      const idAndFlags = this.words.load32(at + ID)
      const flags = idAndFlags >>> 16
      const isLast = (flags & DESC_F_NEXT) === 0
      if ((flags & DESC_F_INDIRECT) === 0) builder.add({ address, length, isWritable: (flags & DESC_F_WRITE) !== 0 })
      else if (isLast && count === 1) this.#addTable(builder, address, length)
      else throw driverFault('has put an indirect table into a chain', { offset })
      if (isLast) return this.#take(builder, idAndFlags & MASK, count)
    }
    throw driverFault(`has made a chain of more than ${this.size} descriptors`, { offset })
  }

  push(chain: Chain, written: number): void {
    this.#enter(chain, written)()
  }

  pushAll(done: readonly Done[]): void {
    const marks = done.map(([chain, written]) => this.#enter(chain, written))
    // The driver goes on from the first.
    for (const mark of marks.reverse()) mark()
  }

  /** What is returned makes the entry valid. */
  #enter({ id, writable }: Chain, written: number): () => void {
    const count = this.#taken.get(id) ?? 0
    this.#taken.delete(id)
    this.#held -= count
    const at = this.at.descriptors + DESCRIPTOR_SIZE * this.#used.offset
    this.words.store32(at + LENGTH, written)
    this.words.store16(at + ID, id)
    const mark = this.#used.wrap ? DESC_F_AVAIL | DESC_F_USED : 0
    const flags = mark | (writable.length > 0 ? DESC_F_WRITE : 0)
    if (this.#used.advance(count)) this.#cameRound = true
    return () => {
      this.words.store16(at + FLAGS, flags)
    }
  }

  interruptWanted(): boolean {
    const [told, cameRound] = [this.#told, this.#cameRound]
    const { offset, wrap } = this.#used
    this.#told = offset
    this.#cameRound = false
    if (told === offset && !cameRound) return false
    const word = this.words.load32(this.at.driver)
    const flags = (word >>> 16) & 3
    if (flags !== EVENT_F_DESC || !this.eventIndex) return flags !== EVENT_F_DISABLE
    // Rather once too often than to compare places of different rounds.
    if (cameRound) return true
    const event = (word & ~WRAP & MASK) - (wrap === ((word & WRAP) !== 0) ? 0 : this.size)
    return hasPassed(event, offset, told)
  }

  disableNotifications(): void {
    this.words.store16(this.at.device + EVENT_FLAGS, EVENT_F_DISABLE)
  }

  enableNotifications(): boolean {
    if (this.eventIndex) this.words.store16(this.at.device, this.#available.state)
    this.words.store16(this.at.device + EVENT_FLAGS, this.eventIndex ? EVENT_F_DESC : EVENT_F_ENABLE)
    return this.#isAvailable()
  }

  save(): RingState {
    return { available: this.#available.state, used: this.#used.state }
  }

  #isAvailable(): boolean {
    const { offset, wrap } = this.#available
    const flags = this.words.load16(this.at.descriptors + DESCRIPTOR_SIZE * offset + FLAGS)
    return ((flags & DESC_F_AVAIL) !== 0) === wrap && ((flags & DESC_F_USED) !== 0) !== wrap
  }

  #take(builder: ChainBuilder, id: number, count: number): Chain {
    if (this.#taken.has(id)) throw driverFault(`has made buffer ${id} available again before it got it back`, { id })
    // With a descriptor that the device has, the driver may do nothing: such a ring is more than full.
    const held = this.#held + count
    if (held > this.size) throw driverFault(`has made ${held} descriptors available, in a queue of ${this.size}`)
    this.#held = held
    this.#taken.set(id, count)
    this.#available.advance(count)
    return builder.finish(id)
  }

  #addTable(builder: ChainBuilder, table: number, bytes: number): void {
    const count = this.checkTable(table, bytes)
    for (let index = 0; index < count; index++) {
      const at = table + DESCRIPTOR_SIZE * index
      const flags = this.words.load32(at + ID) >>> 16
      if ((flags & DESC_F_INDIRECT) !== 0) throw driverFault('has put an indirect table into another one', { table })
      const isWritable = (flags & DESC_F_WRITE) !== 0
      builder.add({ address: this.words.load64(at), length: this.words.load32(at + LENGTH), isWritable })
    }
  }
}
