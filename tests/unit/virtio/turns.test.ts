// What a device does in one turn of the event loop is bounded, however much its driver asks for at once.
import { expect, test } from 'vitest'
import { Block, type VirtioDevice } from '../../../lib/virtio/index.js'
import { BlockDriver, header, IN } from './block/block-driver.js'
import { Echo } from './echo.js'
import { INDIRECT, MmioDriver, type SplitQueue, VERSION_1 } from './mmio-driver.js'

const MIB = 2 ** 20
const PER_TURN = MIB
const QUEUES = 16
const HEADER = 0x3f_0000
const DATA = 0x20_0000
const STATUS = 0x3f_1000
const NEXT = 1
const WRITE = 2
const INDIRECT_TABLE = 4

/** The most that is counted between two turns, until `isOver`. */
async function mostInATurn(counted: () => number, isOver: () => boolean): Promise<{ most: number; turns: number }> {
  let [most, before, turns] = [counted(), counted(), 0]
  while (!isOver()) {
    await new Promise((resolve) => setImmediate(resolve))
    most = Math.max(most, counted() - before)
    before = counted()
    turns++
  }
  return { most, turns }
}

/** Chains of a read of 1 MiB each, as many as a queue has room for, in all queues; and a kick for each. */
function askForAll(driver: MmioDriver): number {
  driver.memory.write(HEADER, header(IN).data)
  let count = 0
  for (const [index, queue] of driver.queues.entries()) {
    for (let slot = 0; slot + 3 <= queue.size; slot += 3) {
      queue.writeDescriptor(queue.descriptors, slot, HEADER, 16, NEXT, slot + 1)
      queue.writeDescriptor(queue.descriptors, slot + 1, DATA, MIB, NEXT | WRITE, slot + 2)
      queue.writeDescriptor(queue.descriptors, slot + 2, STATUS, 1, WRITE)
      queue.makeAvailable(slot)
      count++
    }
    driver.kick(index)
  }
  return count
}

async function instantDisk(limits = {}) {
  let [bytes, reads] = [0, 0]
  const read = (_: number, data: Uint8Array) => {
    bytes += data.length
    reads++
  }
  const block = new Block({ size: 64 * MIB, read }, { queues: QUEUES, limits })
  const driver = await new BlockDriver(block, { queueSize: 256 }).start()
  return { block, driver, bytes: () => bytes, reads: () => reads }
}

test('a driver with sixteen full queues: a disk that answers at once moves 1 MiB in a turn, and then a part', async () => {
  const { driver, bytes, reads } = await instantDisk()
  const count = askForAll(driver)
  expect(count).toBe(QUEUES * 85)
  const { most, turns } = await mostInATurn(bytes, () => reads() === count)
  expect(most).toBeLessThanOrEqual(PER_TURN + MIB)
  expect(turns).toBeGreaterThan(count / 4)
  expect(driver.faults).toEqual([])
})

test('a limit that is taken away lets no more go at once', async () => {
  const { block, driver, bytes, reads } = await instantDisk({ operations: { perSecond: 1, burst: 1 } })
  const count = askForAll(driver)
  for (let turns = 0; turns < 2 * count && block.statistics.delayed < count - 1; turns++) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  block.limits = {}
  const { most } = await mostInATurn(bytes, () => reads() === count)
  expect(most).toBeLessThanOrEqual(PER_TURN + MIB)
})

test('every queue gets its turn, also beside one that is kicked all the time', async () => {
  const echo = new Echo(Array<number>(QUEUES).fill(256))
  const driver = await new MmioDriver(echo, { queueSize: 256 }).start()
  for (const queue of driver.queues) {
    for (let slot = 0; slot + 2 <= queue.size; slot += 2) {
      queue.writeDescriptor(queue.descriptors, slot, DATA, MIB, NEXT, slot + 1)
      queue.writeDescriptor(queue.descriptors, slot + 1, DATA, 1, WRITE)
      queue.makeAvailable(slot)
    }
  }
  for (const index of driver.queues.keys()) driver.kick(index)
  const used = () => driver.queues.map((queue) => driver.memory.loadUint16(queue.used + 2) ?? 0)
  for (let turns = 0; turns < 2 * QUEUES; turns++) {
    for (let kicks = 0; kicks < 100; kicks++) driver.kick(0)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(Math.min(...used())).toBeGreaterThan(0)
  expect(used()[0]).toBeLessThan(3 * Math.min(...used()) + 8)
})

test.each([0, 1])(
  'chains of 256 descriptors of %i bytes: a few are executed in a turn, of all queues together',
  async (length) => {
    const echo = new Echo(Array<number>(QUEUES).fill(256))
    const driver = await new MmioDriver(echo, { queueSize: 256, features: VERSION_1 | INDIRECT }).start()
    const table = 0x3e_0000
    for (const queue of driver.queues) {
      for (let slot = 0; slot < 256; slot++) {
        queue.writeDescriptor(table, slot, DATA, length, slot < 255 ? NEXT : 0, slot + 1)
        queue.writeDescriptor(queue.descriptors, slot, table, 256 * 16, INDIRECT_TABLE)
        queue.makeAvailable(slot)
      }
    }
    const used = () => driver.queues.reduce((sum, { used: at }) => sum + (driver.memory.loadUint16(at + 2) ?? 0), 0)
    for (const index of driver.queues.keys()) driver.kick(index)
    expect(used()).toBeLessThanOrEqual(32)
    const { most } = await mostInATurn(used, () => used() >= 320)
    expect(most).toBeLessThanOrEqual(32)
    expect(driver.faults).toEqual([])
  },
)

test('a device that takes chains itself, of 256 descriptors each: it gets a few in a turn, and then hears of more', async () => {
  let taken = 0
  const device: VirtioDevice = {
    ...{ id: 1, features: 0n, queueSizes: [256] },
    startQueue: (queue) => {
      const take = () => {
        for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
          taken++
          queue.push(chain, 0)
        }
      }
      queue.onAvailable(take)
    },
  }
  const driver = await new MmioDriver(device, { queueSize: 256, features: VERSION_1 | INDIRECT }).start()
  const queue = driver.queues[0] as SplitQueue
  const table = 0x3e_0000
  for (let slot = 0; slot < 256; slot++) {
    queue.writeDescriptor(table, slot, DATA, 1, WRITE | (slot < 255 ? NEXT : 0), slot + 1)
    queue.writeDescriptor(queue.descriptors, slot, table, 256 * 16, INDIRECT_TABLE)
    queue.makeAvailable(slot)
  }
  driver.kick(0)
  expect(taken).toBeLessThanOrEqual(32)
  const { most } = await mostInATurn(
    () => taken,
    () => taken === 256,
  )
  expect(most).toBeLessThanOrEqual(32)
})
