import { expect, test } from 'vitest'
import { plainMemory } from '../../../lib/index.js'
import { Rng } from '../../../lib/virtio/index.js'
import { expectRefusal } from '../../thrown.js'
import { MmioDriver } from './mmio-driver.js'

test('random numbers go where the driver wants them', async () => {
  const driver = await new MmioDriver(new Rng()).start()
  const { written, data } = await driver.send(0, [{ room: 24 }, { room: 8 }])
  expect(written).toBe(32)
  expect(new Set(data).size).toBeGreaterThan(8)
})

test('a source of its own', async () => {
  const driver = await new MmioDriver(new Rng({ source: (bytes) => bytes.fill(7) })).start()
  expect(await driver.send(0, [{ room: 4 }])).toEqual({ written: 4, data: Uint8Array.of(7, 7, 7, 7) })
})

test('who asks for very much gets some of it', async () => {
  const driver = await new MmioDriver(new Rng()).start()
  const done = await driver.send(0, [{ address: 0x20_0000, length: 0x10_0000, writable: true }])
  expect(done.written).toBe(0x1_0000)
})

test('two buffers of 0x70000000 bytes, one over the other: no more than for others', async () => {
  const memory = plainMemory({ at: 0, size: 2 ** 31 })
  const driver = await new MmioDriver(new Rng(), { memory }).start()
  const buffer = { address: 0x1000_0000, length: 0x7000_0000, writable: true }
  const [queue] = driver.queues
  queue?.writeDescriptor(queue.descriptors, 0, buffer.address, buffer.length, 3, 1)
  queue?.writeDescriptor(queue.descriptors, 1, buffer.address, buffer.length, 2)
  queue?.makeAvailable(0)
  driver.kick(0)
  expect(memory.loadUint32((queue?.used ?? 0) + 8)).toBe(0x1_0000)
  expect(memory.read(buffer.address + 0x1_0000, 4)).toEqual(new Uint8Array(4))
})

test('a chain without room gets nothing, and the device goes on', async () => {
  const driver = await new MmioDriver(new Rng()).start()
  expect((await driver.send(0, [{ data: Uint8Array.of(1) }])).written).toBe(0)
  expect((await driver.send(0, [{ room: 1 }])).written).toBe(1)
  expect(driver.faults).toEqual([])
})

test('wrong options', () => {
  expectRefusal(() => new Rng({ source: 7 as never }), 'ERR_KVM_INVALID_ARGUMENT')
})
