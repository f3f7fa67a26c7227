import { type Chain, ChainBuilder } from './chain.js'
import { CheckedRing, type RingKind } from './checked-ring.js'
import { driverFault } from './driver-fault.js'
import { type Done, hasPassed, type Ring, type RingOptions, type RingState } from './ring.js'
import { DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE, DESCRIPTOR_SIZE } from './descriptor.js'

// The available ring (virtio 1.2, 2.7.6).
const AVAIL_FLAGS = 0
const AVAIL_INDEX = 2
const AVAIL_RING = 4
const AVAIL_ENTRY = 2
const AVAIL_F_NO_INTERRUPT = 1
// The used ring (virtio 1.2, 2.7.8).
const USED_FLAGS = 0
const USED_INDEX = 2
const USED_RING = 4
const USED_ENTRY = 8
const USED_LENGTH = 4
const USED_F_NO_NOTIFY = 1
/** What says with which entry the other side wants to hear, behind either ring. */
const EVENT = 2

const MASK = 0xffff

const KIND: RingKind = {
  wrongSize: (size) => `has made a split queue of ${size} descriptors, which is no power of two`,
  isSize: (size) => Number.isInteger(Math.log2(size)),
  parts: {
    descriptors: {
      ...{ name: 'descriptor table', length: (size) => DESCRIPTOR_SIZE * size },
      ...{ alignment: 16, access: 'read' },
    },
    driver: {
      ...{ name: 'available ring', length: (size) => AVAIL_RING + AVAIL_ENTRY * size + EVENT },
      ...{ alignment: 2, access: 'read' },
    },
    device: {
      ...{ name: 'used ring', length: (size) => USED_RING + USED_ENTRY * size + EVENT },
      ...{ alignment: 4, access: 'write' },
    },
  },
}

/** A queue of three parts: descriptor table, available ring, used ring (virtio 1.2, 2.7). */
export class SplitRing extends CheckedRing implements Ring {
  /** A byte for each descriptor: whether it is the head of a chain that the device has. */
  readonly #taken: Uint8Array
  #available: number
  #used: number
  // What the used index was when it was last asked whether the driver wants to hear.
  #told: number

  constructor(options: RingOptions) {
    super(options, KIND)
    const { size, state } = options
    this.#taken = new Uint8Array(size)
    this.#available = state?.available ?? 0
    this.#used = this.#told = state?.used ?? 0
  }

  pop(): Chain | undefined {
    const ahead = (this.words.load16(this.at.driver + AVAIL_INDEX) - this.#available) & MASK
    if (ahead === 0) return undefined
    if (ahead > this.size) {
      throw driverFault(`says that ${ahead} chains are available, in a queue of ${this.size}`, { ahead })
    }
    const head = this.words.load16(this.at.driver + AVAIL_RING + AVAIL_ENTRY * (this.#available % this.size))
    if (head >= this.size) throw driverFault(`has made descriptor ${head} of ${this.size} available`, { head })
    if (this.#taken[head] === 1) {
      throw driverFault(`has made descriptor ${head} available again before it got it back`, { head })
    }
    const chain = this.#chain(head)
    this.#taken[head] = 1
    this.#available = (this.#available + 1) & MASK
    return chain
  }

  push(chain: Chain, written: number): void {
    this.#enter(chain, written)
    this.words.store16(this.at.device + USED_INDEX, this.#used)
  }

  pushAll(done: readonly Done[]): void {
    for (const [chain, written] of done) this.#enter(chain, written)
    this.words.store16(this.at.device + USED_INDEX, this.#used)
  }

  /** The driver does not see the entry before the index has passed it. */
  #enter({ id }: Chain, written: number): void {
    this.#taken[id] = 0
    const entry = this.at.device + USED_RING + USED_ENTRY * (this.#used % this.size)
    this.words.store32(entry, id)
    this.words.store32(entry + USED_LENGTH, written)
    this.#used = (this.#used + 1) & MASK
  }

  interruptWanted(): boolean {
    const told = this.#told
    this.#told = this.#used
    if (told === this.#used) return false
    if (!this.eventIndex) return (this.words.load16(this.at.driver + AVAIL_FLAGS) & AVAIL_F_NO_INTERRUPT) === 0
    return hasPassed(this.words.load16(this.at.driver + AVAIL_RING + AVAIL_ENTRY * this.size), this.#used, told)
  }

  // With event indices an old one is enough to keep the driver quiet.
  disableNotifications(): void {
    if (!this.eventIndex) this.words.store16(this.at.device + USED_FLAGS, USED_F_NO_NOTIFY)
  }

  enableNotifications(): boolean {
    if (this.eventIndex) this.words.store16(this.at.device + USED_RING + USED_ENTRY * this.size, this.#available)
    else this.words.store16(this.at.device + USED_FLAGS, 0)
    return this.words.load16(this.at.driver + AVAIL_INDEX) !== this.#available
  }

  save(): RingState {
    return { available: this.#available, used: this.#used }
  }

  #chain(head: number): Chain {
    const builder = new ChainBuilder(this.memory)
    let table = this.at.descriptors
    let size = this.size
    let next = head
    // No chain is longer than the queue, whatever tables it is in: one that is, goes in a circle.
    for (let count = 0; count < this.size; count++) {
      const at = table + DESCRIPTOR_SIZE * next
      const address = this.words.load64(at)
      const length = this.words.load32(at + 8)
      const flagsAndNext = this.words.load32(at + 12)
      const flags = flagsAndNext & MASK
      if ((flags & DESC_F_INDIRECT) !== 0) {
        if (table !== this.at.descriptors) throw driverFault('has put an indirect table into another one', { head })
        if ((flags & DESC_F_NEXT) !== 0) throw driverFault('has put a descriptor behind an indirect table', { head })
        size = this.checkTable(address, length)
        table = address
        next = 0
        // The table's descriptor is none of the chain's own.
        count--
        continue
      }
      builder.add({ address, length, isWritable: (flags & DESC_F_WRITE) !== 0 })
      if ((flags & DESC_F_NEXT) === 0) return builder.finish(head)
      next = flagsAndNext >>> 16
      if (next >= size) throw driverFault(`has linked a chain to descriptor ${next} of ${size}`, { head, next })
    }
    throw driverFault(`has made a chain of more than ${this.size} descriptors`, { head })
  }
}
