// What a driver does with a packed queue, by the rules and against them (virtio 1.2, 2.8).
import { describe, expect, test } from 'vitest'
import { type DmaMemory, plainMemory } from '../../../lib/index.js'
import type { Chain } from '../../../lib/virtio/index.js'
import { PackedRing } from '../../../lib/virtio/packed-ring.js'
import { expectRefusal } from '../../thrown.js'

const RING = 0x1000
const DRIVER = 0x3000
const DEVICE = 0x4000
const BUFFERS = 0x10000
const MEMORY = 0x20000
const NEXT = 1
const WRITE = 2
const INDIRECT = 4
const AVAIL = 1 << 7
const USED = 1 << 15

interface Descriptor {
  address?: number
  length?: number
  id?: number
  flags?: number
}

/** The driver's side. */
class Driver {
  readonly memory: DmaMemory
  readonly size: number
  next = 0
  wrap = true
  used = 0
  usedWrap = true

  constructor(memory: DmaMemory, size: number) {
    this.memory = memory
    this.size = size
  }

  put(at: number, { address = BUFFERS, length = 4, id = 0, flags = 0 }: Descriptor): void {
    const view = new DataView(new ArrayBuffer(14))
    view.setBigUint64(0, BigInt(address), true)
    view.setUint32(8, length, true)
    view.setUint16(12, id, true)
    this.memory.write(at, new Uint8Array(view.buffer))
    this.memory.storeUint16(at + 14, flags)
  }

  /** A chain; its first descriptor last, as the driver must. */
  offer(descriptors: readonly Descriptor[]): void {
    const steps = descriptors.map((descriptor, index) => {
      const at = RING + 16 * this.next
      const flags = (descriptor.flags ?? 0) | (this.wrap ? AVAIL : USED) | (index < descriptors.length - 1 ? NEXT : 0)
      if (++this.next === this.size) {
        this.next = 0
        this.wrap = !this.wrap
      }
      return () => {
        this.put(at, { ...descriptor, flags })
      }
    })
    for (const step of steps.reverse()) step()
  }

  /** The next used descriptor, of a chain of `count`; undefined when there is none. */
  collect(count = 1): { id: number; written: number } | undefined {
    const at = RING + 16 * this.used
    const flags = this.memory.loadUint16(at + 14) ?? 0
    if (((flags & AVAIL) !== 0) !== this.usedWrap || ((flags & USED) !== 0) !== this.usedWrap) return undefined
    this.used += count
    if (this.used >= this.size) {
      this.used -= this.size
      this.usedWrap = !this.usedWrap
    }
    return { id: this.memory.loadUint16(at + 12) ?? 0, written: this.memory.loadUint32(at + 8) ?? 0 }
  }

  /** What the driver wants to hear of. */
  suppress(flags: number, offsetAndWrap = 0): void {
    this.memory.storeUint16(DRIVER, offsetAndWrap)
    this.memory.storeUint16(DRIVER + 2, flags)
  }
}

function setUp({ size = 8, indirect = false, eventIndex = false, state = {} } = {}) {
  const memory = plainMemory({ at: 0, size: MEMORY })
  const addresses = { descriptors: RING, driver: DRIVER, device: DEVICE }
  const ring = new PackedRing({ memory, size, addresses, indirect, eventIndex, ...state })
  return { memory, ring, driver: new Driver(memory, size) }
}

describe('by the rules', () => {
  test('several chains at once, round the end of the ring: the driver sees the first last', () => {
    const { memory, ring, driver } = setUp({ size: 5 })
    for (let round = 0; round < 4; round++) {
      const lengths = [1, 2, 1]
      for (const [id, length] of lengths.entries()) driver.offer(Array.from({ length }, () => ({ id, flags: WRITE })))
      const chains = lengths.map(() => ring.pop() as Chain)
      const stores: number[] = []
      const store = memory.storeUint16.bind(memory)
      memory.storeUint16 = (address, value) => {
        if (address % 16 === 14) stores.push(address)
        return store(address, value)
      }
      const first = RING + 16 * driver.used + 14
      ring.pushAll(chains.map((chain, index) => [chain, index + 1]))
      memory.storeUint16 = store
      expect([stores.length, stores.at(-1)]).toEqual([3, first])
      for (const [id, length] of lengths.entries()) expect(driver.collect(length)).toEqual({ id, written: id + 1 })
      expect(driver.collect()).toBeUndefined()
    }
  })

  test.each([1, 5, 8])(
    'a ring of %i, many times round, chains of several lengths, given back in another order',
    (size) => {
      const { ring, driver } = setUp({ size })
      const lengths = [1, Math.min(2, size), Math.min(3, size)]
      for (let round = 0; round < 40; round++) {
        const length = lengths[round % 3] ?? 1
        driver.offer(Array.from({ length }, (_, place) => ({ id: round & 0xff, length: place + 1, flags: WRITE })))
        const chain = ring.pop()
        expect(chain?.writable.length).toBe((length * (length + 1)) / 2)
        expect(ring.pop()).toBeUndefined()
        expect(driver.collect(length)).toBeUndefined()
        if (chain !== undefined) ring.push(chain, round)
        expect(driver.collect(length)).toEqual({ id: round & 0xff, written: round })
      }
    },
  )

  test('two chains given back in the other order', () => {
    const { ring, driver } = setUp()
    driver.offer([{ id: 1 }])
    driver.offer([{ id: 2 }, { id: 2, flags: WRITE }])
    const [first, second] = [ring.pop(), ring.pop()]
    if (first === undefined || second === undefined) throw new Error('there are two')
    ring.push(second, 4)
    ring.push(first, 0)
    expect(driver.collect(2)).toEqual({ id: 2, written: 4 })
    expect(driver.collect(1)).toEqual({ id: 1, written: 0 })
  })

  test('an indirect table', () => {
    const { ring, driver } = setUp({ indirect: true })
    driver.put(BUFFERS, { address: BUFFERS + 0x100, length: 3 })
    // Only its write flag means something.
    driver.put(BUFFERS + 16, { address: BUFFERS + 0x200, length: 5, flags: WRITE | NEXT | AVAIL })
    driver.offer([{ address: BUFFERS, length: 32, flags: INDIRECT, id: 9 }])
    const chain = ring.pop()
    expect([chain?.id, chain?.readable.length, chain?.writable.length]).toEqual([9, 3, 5])
  })

  test('a saved ring goes on where it was, also in the second round', () => {
    const { memory, ring, driver } = setUp({ size: 4 })
    for (const id of [1, 2, 3, 4, 5, 6]) {
      driver.offer([{ id }])
      const chain = ring.pop()
      if (chain !== undefined) ring.push(chain, 0)
      driver.collect()
    }
    const addresses = { descriptors: RING, driver: DRIVER, device: DEVICE }
    const other = new PackedRing({ memory, size: 4, addresses, indirect: false, eventIndex: false, state: ring.save() })
    expect(other.save()).toEqual(ring.save())
    driver.offer([{ id: 7 }])
    expect(other.pop()?.id).toBe(7)
  })

  test('interrupts: always, never, and from a descriptor on', () => {
    const { ring, driver } = setUp({ eventIndex: true })
    const one = (id: number) => {
      driver.offer([{ id }])
      const chain = ring.pop()
      if (chain !== undefined) ring.push(chain, 0)
      return ring.interruptWanted()
    }
    expect(ring.interruptWanted()).toBe(false)
    driver.suppress(0)
    expect(one(1)).toBe(true)
    driver.suppress(1)
    expect(one(2)).toBe(false)
    driver.suppress(2, 3 | (1 << 15))
    expect([one(3), one(4), one(5)]).toEqual([false, true, false])
  })

  test('the driver need not notify until the device has seen all, and then from its place on', () => {
    const { memory, ring, driver } = setUp({ eventIndex: true })
    ring.disableNotifications()
    expect(memory.loadUint16(DEVICE + 2)).toBe(1)
    expect(ring.enableNotifications()).toBe(false)
    expect([memory.loadUint16(DEVICE), memory.loadUint16(DEVICE + 2)]).toEqual([1 << 15, 2])
    driver.offer([{}])
    expect(ring.enableNotifications()).toBe(true)
  })
})

describe('against the rules', () => {
  const refuses = (ring: PackedRing, message: RegExp) => {
    const error = expectRefusal(() => ring.pop(), 'ERR_KVM_VIRTIO_DRIVER')
    expect(error.message).toMatch(message)
  }

  test('a chain that never ends', () => {
    const { memory, ring, driver } = setUp({ size: 4 })
    for (let at = 0; at < 4; at++) driver.put(RING + 16 * at, { flags: NEXT | AVAIL })
    expect(memory.loadUint16(RING + 14)).toBe(NEXT | AVAIL)
    refuses(ring, /more than 4 descriptors/)
  })

  test('the same buffer twice while the device has it', () => {
    const { ring, driver } = setUp()
    driver.offer([{ id: 3 }])
    driver.offer([{ id: 3 }])
    ring.pop()
    refuses(ring, /buffer 3 available again/)
  })

  test('a wrap counter that lies: more descriptors than there are', () => {
    const { ring, driver } = setUp({ size: 2 })
    driver.offer([{ id: 1 }])
    driver.offer([{ id: 2 }])
    ring.pop()
    ring.pop()
    driver.offer([{ id: 3 }])
    refuses(ring, /3 descriptors available, in a queue of 2/)
  })

  test('a buffer outside of memory, one to read behind one to write', () => {
    const outside = setUp()
    outside.driver.offer([{ address: MEMORY - 2, length: 4 }])
    refuses(outside.ring, /outside of memory/)
    const behind = setUp()
    behind.driver.offer([{ flags: WRITE }, {}])
    refuses(behind.ring, /behind one for it to write/)
  })

  test.each([
    ['not negotiated', false, 16, INDIRECT, /without having asked/],
    ['of length 0', true, 0, INDIRECT, /table of 0 bytes/],
    ['of an odd length', true, 24, INDIRECT, /table of 24 bytes/],
    ['longer than the queue', true, 16 * 9, INDIRECT, /table of 144 bytes/],
  ])('an indirect table %s', (_, indirect, length, flags, message) => {
    const { ring, driver } = setUp({ indirect })
    driver.offer([{ address: BUFFERS, length, flags }])
    refuses(ring, message)
  })

  test('an indirect table in a chain, in another table, outside of memory', () => {
    const inChain = setUp({ indirect: true })
    inChain.driver.offer([{}, { address: BUFFERS, length: 16, flags: INDIRECT }])
    refuses(inChain.ring, /into a chain/)
    const nested = setUp({ indirect: true })
    nested.driver.put(BUFFERS, { flags: INDIRECT })
    nested.driver.offer([{ address: BUFFERS, length: 16, flags: INDIRECT }])
    refuses(nested.ring, /into another one/)
    const outside = setUp({ indirect: true })
    outside.driver.offer([{ address: MEMORY, length: 16, flags: INDIRECT }])
    refuses(outside.ring, /outside of memory/)
  })

  test('all of length 0, and unknown flags: a chain without bytes', () => {
    const { ring, driver } = setUp()
    driver.offer([
      { length: 0, flags: 0x7f78 },
      { address: 2 * MEMORY, length: 0, flags: WRITE },
    ])
    const chain = ring.pop() as Chain
    expect([chain.readable.length, chain.writable.length]).toEqual([0, 0])
    ring.push(chain, 0)
    expect(driver.collect(2)).toEqual({ id: 0, written: 0 })
  })

  test.each([
    [{ descriptors: 0x1008, driver: DRIVER, device: DEVICE }, /descriptor ring .* not aligned/],
    [{ descriptors: RING, driver: 0x3002, device: DEVICE }, /driver event suppression .* not aligned/],
    [{ descriptors: RING, driver: DRIVER, device: MEMORY }, /device event suppression .* no memory/],
  ])('a part at the wrong place', (addresses, message) => {
    const memory = plainMemory({ at: 0, size: MEMORY })
    const make = () => new PackedRing({ memory, size: 8, addresses, indirect: false, eventIndex: false })
    expect(expectRefusal(make, 'ERR_KVM_VIRTIO_DRIVER').message).toMatch(message)
  })
})
