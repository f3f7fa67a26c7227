// What a driver does with a split queue, by the rules and against them (virtio 1.2, 2.7).
import { describe, expect, test } from 'vitest'
import type { KvmError } from '../../../lib/index.js'
import * as R from '../../../lib/virtio/mmio-registers.js'
import { BUFFERS, EVENT_IDX, INDIRECT, MEMORY, MmioDriver, type MmioDriverOptions, VERSION_1 } from './mmio-driver.js'
import { Echo } from './echo.js'

const NEXT = 1
const WRITE = 2
const INDIRECT_FLAG = 4
const NEEDS_RESET = 64

const begin = (options?: MmioDriverOptions) => new MmioDriver(new Echo(), options).start()

/** Makes a chain of descriptors by hand, and kicks. */
async function offer(driver: MmioDriver, descriptors: readonly (readonly number[])[], head = 0): Promise<void> {
  const [queue] = driver.queues
  if (queue === undefined) throw new Error('there is a queue')
  for (const [index, [address = 0, length = 0, flags = 0, next = 0]] of descriptors.entries()) {
    queue.writeDescriptor(queue.descriptors, index, address, length, flags, next)
  }
  queue.makeAvailable(head)
  driver.kick(0)
  await settle()
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 5))

/** The device has failed for that reason, says so, and works again when it has been reset. */
async function expectFault(driver: MmioDriver, reason: RegExp): Promise<void> {
  expect(driver.faults).toHaveLength(1)
  const fault = driver.faults[0] as KvmError
  expect(fault.code).toBe('ERR_KVM_VIRTIO_DRIVER')
  expect(fault.message).toMatch(reason)
  expect(driver.status & NEEDS_RESET).toBe(NEEDS_RESET)
  expect(driver.interrupts).toBeGreaterThan(0)
  driver.kick(0)
  await settle()
  expect(driver.faults).toHaveLength(1)
  await driver.start()
  expect(driver.status).toBe(15)
  expect((await driver.send(0, [{ data: Uint8Array.of(1, 2) }, { room: 2 }])).data).toEqual(Uint8Array.of(1, 2))
}

/** As {@link MmioDriver.start}, with a queue of that size whose parts are there. */
function startAt(driver: MmioDriver, size: number, at: { desc?: number; avail?: number; used?: number }): void {
  driver.set(R.STATUS, 3)
  driver.set(R.DRIVER_FEATURES_SEL, 1)
  driver.set(R.DRIVER_FEATURES, 1)
  driver.set(R.STATUS, 11)
  const { desc = 0x1000, avail = 0x3000, used = 0x4000 } = at
  for (const [register, value] of [
    [R.QUEUE_NUM, size],
    [R.QUEUE_DESC_LOW, desc],
    [R.QUEUE_DRIVER_LOW, avail],
    [R.QUEUE_DEVICE_LOW, used % 2 ** 32],
    [R.QUEUE_DEVICE_LOW + 4, Math.floor(used / 2 ** 32)],
    [R.QUEUE_READY, 1],
  ] as const) {
    driver.set(register, value)
  }
  driver.set(R.STATUS, 15)
}

describe('by the rules', () => {
  test.each([
    ['plain', VERSION_1],
    ['with event indices', VERSION_1 | EVENT_IDX],
  ])('%s: chains over the end of the ring and of its indices', async (_, features) => {
    const driver = await begin({ features, queueSize: 8 })
    const [queue] = driver.queues
    if (queue === undefined) throw new Error('there is a queue')
    // As if nearly all that can be counted had been made already.
    queue.availableIndex = queue.usedIndex = 0xffe0
    driver.memory.storeUint16(queue.available + 2, 0xffe0)
    driver.memory.storeUint16(queue.available + 4 + 2 * queue.size, 0xffe0)
    const state = driver.mmio.save()
    const queues = state.queues.map((each) => ({ ...each, ring: { available: 0xffe0, used: 0xffe0 } }))
    driver.mmio.restore({ ...state, queues })
    for (let round = 0; round < 64; round++) {
      const all = [0, 1, 2, 3].map((place) => driver.offer(0, [{ data: Uint8Array.of(round, place) }, { room: 2 }]))
      driver.kick(0)
      const done = await Promise.all(all)
      expect(done.map(({ data }) => [...data])).toEqual([0, 1, 2, 3].map((place) => [round, place]))
    }
    expect(driver.memory.loadUint16(queue.used + 2)).toBe((0xffe0 + 256) & 0xffff)
    expect(driver.faults).toEqual([])
  })

  test('an interrupt for each batch, none where the driver wants none', async () => {
    const driver = await begin()
    const [queue] = driver.queues
    const first = [1, 2, 3].map((byte) => driver.offer(0, [{ data: Uint8Array.of(byte) }, { room: 1 }]))
    driver.kick(0)
    await Promise.all(first)
    expect(driver.interrupts).toBe(1)
    driver.memory.storeUint16(queue?.available ?? 0, 1)
    void driver.send(0, [{ data: Uint8Array.of(4) }, { room: 1 }])
    await settle()
    expect(driver.interrupts).toBe(1)
    expect(driver.memory.loadUint16((queue?.used ?? 0) + 2)).toBe(4)
  })

  test('with event indices an interrupt comes when the index is passed', async () => {
    const driver = await begin({ features: VERSION_1 | EVENT_IDX })
    const [queue] = driver.queues
    if (queue === undefined) throw new Error('there is a queue')
    driver.memory.storeUint16(queue.available + 4 + 2 * queue.size, 1)
    void driver.send(0, [{ data: Uint8Array.of(1) }, { room: 1 }])
    await settle()
    expect(driver.interrupts).toBe(0)
    await driver.send(0, [{ data: Uint8Array.of(2) }, { room: 1 }])
    expect(driver.interrupts).toBe(1)
  })

  test('a kick is asked for only when the device has seen all', async () => {
    const driver = await begin({ features: VERSION_1 | EVENT_IDX })
    const [queue] = driver.queues
    if (queue === undefined) throw new Error('there is a queue')
    await driver.send(0, [{ data: Uint8Array.of(1) }, { room: 1 }])
    expect(driver.memory.loadUint16(queue.used + 4 + 8 * queue.size)).toBe(1)
  })

  test('an indirect table', async () => {
    const driver = await begin({ features: VERSION_1 | INDIRECT })
    const [queue] = driver.queues
    const table = BUFFERS
    driver.memory.write(BUFFERS + 0x100, Uint8Array.of(5, 6, 7))
    queue?.writeDescriptor(table, 0, BUFFERS + 0x100, 3, NEXT, 1)
    queue?.writeDescriptor(table, 1, BUFFERS + 0x200, 3, WRITE, 0)
    await offer(driver, [[table, 32, INDIRECT_FLAG]])
    expect(driver.memory.read(BUFFERS + 0x200, 3)).toEqual(Uint8Array.of(5, 6, 7))
  })

  test('a buffer that crosses windows of memory is one stretch', async () => {
    const driver = await begin()
    const data = Uint8Array.from({ length: 3000 }, (_, index) => index & 0xff)
    expect((await driver.send(0, [{ data }, { room: 1000 }, { room: 2000 }])).data).toEqual(data)
  })
})

describe('against the rules', () => {
  test('a chain that goes in a circle', async () => {
    const driver = await begin()
    await offer(driver, [
      [BUFFERS, 4, NEXT, 1],
      [BUFFERS, 4, NEXT, 0],
    ])
    await expectFault(driver, /a chain of more than 16 descriptors/)
  })

  test.each([16, 17, 0xffff])('descriptor %i of 16', async (head) => {
    const driver = await begin()
    await offer(driver, [], head)
    await expectFault(driver, /made descriptor \d+ of 16 available/)
  })

  test.each([16, 0xffff])('a link to descriptor %i of 16', async (next) => {
    const driver = await begin()
    await offer(driver, [[BUFFERS, 4, NEXT, next]])
    await expectFault(driver, /linked a chain to descriptor/)
  })

  test.each([17, 0x8000, 0xffff])('an available index %i ahead', async (ahead) => {
    const driver = await begin()
    driver.memory.storeUint16((driver.queues[0]?.available ?? 0) + 2, ahead)
    driver.kick(0)
    await settle()
    await expectFault(driver, /chains are available, in a queue of 16/)
  })

  test('an available index that goes back', async () => {
    const driver = await begin()
    await driver.send(0, [{ data: Uint8Array.of(1) }, { room: 1 }])
    driver.memory.storeUint16((driver.queues[0]?.available ?? 0) + 2, 0)
    driver.kick(0)
    await settle()
    await expectFault(driver, /says that 65535 chains are available/)
  })

  test('the same head twice while the device has it', async () => {
    const echo = new Echo()
    const driver = await new MmioDriver(echo).start()
    echo.hold = true
    await offer(driver, [[BUFFERS, 4, WRITE]])
    driver.queues[0]?.makeAvailable(0)
    driver.kick(0)
    await settle()
    expect(driver.faults).toHaveLength(1)
    expect(String(driver.faults[0])).toMatch(/descriptor 0 available again before it got it back/)
    echo.hold = false
    echo.release()
    await expectFault(driver, /again/)
  })

  test.each([
    ['behind the end', MEMORY, 1],
    ['over the end', MEMORY - 4, 5],
    ['at the last address', 2 ** 53, 8],
    ['of 4 GiB', 0, 0xffff_ffff],
    ['between regions', 0x7fff_0000, 16],
  ])('a buffer %s', async (_, address, length) => {
    const driver = await begin()
    await offer(driver, [[address, length, WRITE]])
    await expectFault(driver, /a buffer outside of memory/)
  })

  test('address and length that overflow 64 bits', async () => {
    const driver = await begin()
    const [queue] = driver.queues
    if (queue === undefined) throw new Error('there is a queue')
    driver.memory.write(queue.descriptors, new Uint8Array(8).fill(0xff))
    driver.memory.storeUint32(queue.descriptors + 8, 0xffff)
    queue.makeAvailable(0)
    driver.kick(0)
    await settle()
    await expectFault(driver, /a buffer outside of memory/)
  })

  test('more than 4 GiB in one chain', async () => {
    const driver = await begin()
    const [queue] = driver.queues
    const half = [0, 0x8000_0000, NEXT]
    // The first two are outside of memory as well; which rule is named does not matter.
    await offer(driver, [
      [...half, 1],
      [...half, 2],
      [0, 1, 0],
    ])
    expect(queue?.usedIndex).toBe(0)
    await expectFault(driver, /outside of memory|more than 4 GiB/)
  })

  test('a buffer to read behind one to write', async () => {
    const driver = await begin()
    await offer(driver, [
      [BUFFERS, 4, WRITE | NEXT, 1],
      [BUFFERS, 4, 0],
    ])
    await expectFault(driver, /a buffer for the device to read behind one for it to write/)
  })

  test('an indirect table without having negotiated it', async () => {
    const driver = await begin()
    await offer(driver, [[BUFFERS, 16, INDIRECT_FLAG]])
    await expectFault(driver, /without having asked for it/)
  })

  test.each([0, 8, 15, 17, 24, 16 * 17, 0xffff_fff0])('an indirect table of %i bytes', async (length) => {
    const driver = await begin({ features: VERSION_1 | INDIRECT })
    await offer(driver, [[BUFFERS, length, INDIRECT_FLAG]])
    await expectFault(driver, /an indirect table of \d+ bytes/)
  })

  test('an indirect table in an indirect table', async () => {
    const driver = await begin({ features: VERSION_1 | INDIRECT })
    driver.queues[0]?.writeDescriptor(BUFFERS, 0, BUFFERS, 16, INDIRECT_FLAG)
    await offer(driver, [[BUFFERS, 16, INDIRECT_FLAG]])
    await expectFault(driver, /an indirect table into another one/)
  })

  test('an indirect table that goes on in the queue', async () => {
    const driver = await begin({ features: VERSION_1 | INDIRECT })
    await offer(driver, [[BUFFERS, 16, INDIRECT_FLAG | NEXT, 1]])
    await expectFault(driver, /behind an indirect table/)
  })

  test('an indirect table outside of memory', async () => {
    const driver = await begin({ features: VERSION_1 | INDIRECT })
    await offer(driver, [[MEMORY, 16, INDIRECT_FLAG]])
    await expectFault(driver, /outside of memory/)
  })

  test('an indirect table that links past its end', async () => {
    const driver = await begin({ features: VERSION_1 | INDIRECT })
    driver.queues[0]?.writeDescriptor(BUFFERS, 0, BUFFERS, 4, NEXT, 1)
    await offer(driver, [[BUFFERS, 16, INDIRECT_FLAG]])
    await expectFault(driver, /linked a chain to descriptor 1 of 1/)
  })

  test('all of length 0, and unknown flags: nothing to do, and no fault', async () => {
    const driver = await begin()
    await offer(driver, [
      [BUFFERS, 0, NEXT | 0xfff8, 1],
      [MEMORY * 2, 0, NEXT, 2],
      [0, 0, WRITE],
    ])
    expect(driver.faults).toEqual([])
    expect(driver.memory.loadUint16((driver.queues[0]?.used ?? 0) + 2)).toBe(1)
  })

  test('a buffer over the rings: what the device finds there then is a fault, or nothing', async () => {
    const driver = await begin()
    const [queue] = driver.queues
    if (queue === undefined) throw new Error('there is a queue')
    driver.memory.fill(BUFFERS, 0x1000, 0xff)
    await offer(driver, [
      [BUFFERS, 0x1000, NEXT, 1],
      [queue.descriptors, 0x1000, WRITE],
    ])
    // The available index, too, is 0xffff now.
    await expectFault(driver, /says that 65534 chains are available/)
  })

  // What is the first descriptor is an empty buffer at once, and an available index of 1.
  test('three parts of a queue at one place: the device works on what it finds there, and nowhere else', async () => {
    const driver = new MmioDriver(new Echo())
    driver.memory.fill(0x1000, 0x200, 0)
    startAt(driver, 16, { desc: 0x1000, avail: 0x1000, used: 0x1000 })
    const written: number[] = []
    const stop = driver.memory.trackWrites((address) => written.push(address))
    driver.memory.storeUint16(0x1002, 1)
    driver.kick(0)
    await settle()
    stop()
    expect(written).not.toEqual([])
    expect(written.every((address) => address >= 0x1000 && address < 0x1000 + 6 + 8 * 16)).toBe(true)
    await driver.start()
    expect((await driver.send(0, [{ data: Uint8Array.of(1, 2) }, { room: 2 }])).data).toEqual(Uint8Array.of(1, 2))
  })

  test.each([
    ['size 3', 3, {}, /no power of two/],
    ['a descriptor table at an odd place', 16, { desc: 0x1008 }, /descriptor table .* not aligned/],
    ['an available ring at an odd place', 16, { avail: 0x3001 }, /available ring .* not aligned/],
    ['a used ring at an odd place', 16, { used: 0x4002 }, /used ring .* not aligned/],
    ['a descriptor table outside', 16, { desc: MEMORY - 16 }, /descriptor table .* no memory/],
    ['an available ring outside', 16, { avail: MEMORY - 2 }, /available ring .* no memory/],
    ['a used ring outside', 16, { used: MEMORY - 4 }, /used ring .* no memory/],
    ['a used ring in ROM', 16, { used: 0x10_0000_0000 }, /used ring .* no memory/],
  ])('%s: the queue does not start', async (_, size, at, message) => {
    const driver = new MmioDriver(new Echo())
    startAt(driver, size, at)
    await settle()
    await expectFault(driver, message)
  })
})
