import { expect, test } from 'vitest'
import { NetCallback, netFeatures as F } from '../../../../lib/virtio/index.js'
import type { MmioDriver } from '../mmio-driver.js'
import * as N from './net-driver.js'
import { BASIC, frame, HEADER, header, MERGEABLE, networkCard, received, Recorder, RX, turn } from './net-driver.js'

const NEEDS_RESET = 64
const LARGE = 65_562

test('a frame comes with a header that says that it is in one buffer', async () => {
  const backend = new Recorder()
  const { net, driver } = await networkCard(backend)
  const done = driver.send(RX, [{ room: HEADER }, { room: 1514 }])
  expect(backend.port.receive(frame({ length: 1514 }))).toBe(true)
  expect(received(await done)).toEqual({ header: header({ num_buffers: 1 }), frame: frame({ length: 1514 }) })
  expect(net.statistics).toMatchObject({ receivedFrames: 1, receivedBytes: 1514 })
})

test('without a buffer there is no room, and the back end hears when there is', async () => {
  const backend = new Recorder()
  const { driver } = await networkCard(backend)
  expect(backend.port.receive(frame())).toBe(false)
  const before = backend.resumed
  const done = driver.send(RX, [{ room: LARGE }])
  expect(backend.resumed).toBe(before + 1)
  expect(backend.port.receive(frame())).toBe(true)
  expect(received(await done).frame).toEqual(frame())
})

test.each([
  ['the driver rings', (driver: MmioDriver) => void driver.send(RX, [{ room: LARGE }])],
  [
    'a limit lets a frame go',
    async ({ faults }: MmioDriver) => {
      while (faults.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    },
  ],
])('a back end that throws when there is room stops its card, and nothing else: %s', async (_, act) => {
  const backend = new Recorder()
  const { driver } = await networkCard(backend, { receiveLimits: { operations: { perSecond: 5, burst: 1 } } })
  for (let count = 0; count < 2; count++) void driver.send(RX, [{ room: LARGE }])
  for (const goes of [true, false]) expect(backend.port.receive(frame())).toBe(goes)
  backend.resume = () => {
    throw new Error('out of order')
  }
  await act(driver)
  expect(driver.faults).toMatchObject([{ message: 'out of order' }])
})

test('one that throws when the driver takes its buffers back cannot hold up the reset', async () => {
  const backend = new Recorder()
  const { driver } = await networkCard(backend)
  backend.resume = () => {
    throw new Error('out of order')
  }
  await driver.write(0x70, 0)
  expect(driver.status).toBe(0)
})

test('both sides full, then drained: traffic flows again', async () => {
  const backend = new NetCallback(() => undefined, { waiting: 100 })
  const { driver } = await networkCard(backend, {}, { queueSize: 4 })
  for (let round = 0; round < 3; round++) {
    for (let count = 0; count < 110; count++) backend.deliver(frame({ first: count }))
    expect(backend.dropped).toBe(10 * (round + 1))
    for (let count = 0; count < 100; count++) {
      expect(received(await driver.send(RX, [{ room: 80 }])).frame).toEqual(frame({ first: count }))
    }
  }
})

test.each([
  [13, false],
  [14, true],
  [65_550, true],
  [65_551, false],
])('a frame of %i bytes', async (length, comes) => {
  const backend = new Recorder()
  const { net, driver } = await networkCard(backend)
  const done = driver.send(RX, [{ room: LARGE + 1 }])
  expect(backend.port.receive(frame({ length }))).toBe(true)
  expect(net.statistics.unfit).toBe(comes ? 0 : 1)
  if (comes) expect((await done).written).toBe(HEADER + length)
})

test('a frame that is too large for the next buffer is lost; a smaller one goes there', async () => {
  const backend = new Recorder()
  const { net, driver } = await networkCard(backend)
  const done = driver.send(RX, [{ room: HEADER + 60 }])
  expect(backend.port.receive(frame({ length: 61 }))).toBe(true)
  expect(net.statistics.unfit).toBe(1)
  expect(backend.port.receive(frame({ length: 60 }))).toBe(true)
  expect(received(await done).frame).toEqual(frame({ length: 60 }))
})

test.each([
  ['no room at all', [{ room: 0 }]],
  ['many pieces of no room', Array.from({ length: 16 }, () => ({ room: 0 }))],
  ['room for less than a header', [{ room: 11 }]],
  ['something to read, and nothing to write', [{ data: new Uint8Array(100) }]],
])('a buffer with %s: the device waits to be reset', async (_, buffers) => {
  for (const features of [BASIC, MERGEABLE]) {
    const backend = new Recorder()
    const { driver } = await networkCard(backend, {}, { features })
    void driver.send(RX, buffers)
    expect(backend.port.receive(frame())).toBe(true)
    expect(driver.status & NEEDS_RESET).toBe(NEEDS_RESET)
    expect(driver.faults).toMatchObject([{ code: 'ERR_KVM_VIRTIO_DRIVER' }])
    await driver.start()
    const done = driver.send(RX, [{ room: 100 }])
    expect(backend.port.receive(frame())).toBe(true)
    expect(received(await done).frame).toEqual(frame())
  }
})

test('a frame over several buffers: all come at once, and the first says how many', async () => {
  const backend = new Recorder()
  const { driver } = await networkCard(backend, {}, { features: MERGEABLE })
  const rooms = [20, 13, 100, 500, 500]
  const buffers = rooms.map((room) => driver.offer(RX, [{ room }]))
  driver.kick(RX)
  const bytes = frame({ length: 200 })
  expect(backend.port.receive(bytes)).toBe(true)
  expect(driver.memory.loadUint16((driver.queues[RX]?.used ?? 0) + 2)).toBe(4)
  const parts = await Promise.all(buffers.slice(0, 4))
  expect(parts.map(({ written }) => written)).toEqual([20, 13, 100, 79])
  const whole = N.concat(...parts.map(({ data, written }) => data.subarray(0, written)))
  expect(whole).toEqual(N.concat(header({ num_buffers: 4 }), bytes))
  expect(backend.port.receive(frame())).toBe(true)
  expect((await (buffers[4] as (typeof buffers)[0])).written).toBe(HEADER + 60)
})

test('a frame waits for as many buffers as it takes, and those it has are not lost meanwhile', async () => {
  const backend = new Recorder()
  const { driver } = await networkCard(backend, {}, { features: MERGEABLE })
  const first = driver.send(RX, [{ room: 40 }])
  expect(backend.port.receive(frame())).toBe(false)
  const second = driver.send(RX, [{ room: 40 }])
  expect(backend.port.receive(frame())).toBe(true)
  expect([(await first).written, (await second).written]).toEqual([40, 32])
})

test('a frame for which the whole queue is too small is lost', async () => {
  const backend = new Recorder()
  const { net, driver } = await networkCard(backend, {}, { features: MERGEABLE, queueSize: 4 })
  const buffers = Array.from({ length: 4 }, () => driver.offer(RX, [{ room: 20 }]))
  driver.kick(RX)
  expect(backend.port.receive(frame({ length: 69 }))).toBe(true)
  expect(net.statistics.unfit).toBe(1)
  expect(backend.port.receive(frame({ length: 68 }))).toBe(true)
  expect((await Promise.all(buffers)).map(({ written }) => written)).toEqual([20, 20, 20, 20])
})

test('a pause gives back the buffers of a frame that is not whole, empty; it comes after it', async () => {
  const backend = new NetCallback(() => undefined)
  const { driver } = await networkCard(backend, {}, { features: MERGEABLE })
  const first = driver.send(RX, [{ room: 40 }])
  backend.deliver(frame())
  await driver.mmio.pause()
  expect((await first).written).toBe(0)
  const state = driver.mmio.save()
  expect(state.queues[0]?.ring).toEqual({ available: 1, used: 1 })
  const more = [driver.send(RX, [{ room: 40 }]), driver.send(RX, [{ room: 40 }])]
  await turn()
  driver.mmio.resume()
  expect((await Promise.all(more)).map(({ written }) => written)).toEqual([40, 32])
})

test('without a driver, and with the link down, frames are lost and counted', async () => {
  const backend = new Recorder()
  const { net, driver } = await networkCard(backend)
  void driver.send(RX, [{ room: 100 }])
  net.link = false
  expect(backend.port.receive(frame())).toBe(true)
  await driver.write(0x70, 0)
  expect(backend.port.receive(frame())).toBe(true)
  expect(net.statistics).toMatchObject({ unwanted: 2, receivedFrames: 0 })
})

test('what waits for room is dropped when the driver resets the device', async () => {
  const backend = new NetCallback(() => undefined)
  const { net, driver } = await networkCard(backend)
  for (let count = 0; count < 3; count++) backend.deliver(frame())
  await driver.start()
  expect(net.statistics.unwanted).toBe(3)
})

const OFFLOADS = F.VIRTIO_NET_F_GUEST_CSUM | F.VIRTIO_NET_F_GUEST_TSO4 | F.VIRTIO_NET_F_GUEST_TSO6
const CSUM = { flags: 1, gso_type: 0, hdr_len: 0, gso_size: 0, csum_start: 34, csum_offset: 16 }
const TSO = { ...CSUM, gso_type: 1, gso_size: 1448, hdr_len: 54 }

test.each([
  ['a checksum to be completed', CSUM],
  ['a checksum found right', { ...CSUM, flags: 2, csum_start: 0, csum_offset: 0 }],
  ['a large segment over IPv4', TSO],
  ['a large segment over IPv6', { ...TSO, gso_type: 4 }],
])('a frame with %s, for a driver that takes it', async (_, fields) => {
  const backend = new Recorder(OFFLOADS)
  const { driver } = await networkCard(backend, {}, { features: BASIC | OFFLOADS })
  const done = driver.send(RX, [{ room: LARGE }])
  expect(backend.port.receive(frame({ length: 3000 }), fields)).toBe(true)
  expect(received(await done).header).toEqual(header({ ...fields, num_buffers: 1 }))
})

test.each([
  ['a checksum to be completed', CSUM],
  ['a large segment', TSO],
  ['a checksum past its end', { ...CSUM, csum_start: 3000 }],
])('a frame with %s, for a driver that does not take it, is lost', async (_, fields) => {
  const backend = new Recorder(OFFLOADS)
  const { net, driver } = await networkCard(backend)
  void driver.send(RX, [{ room: LARGE }])
  expect(backend.port.receive(frame({ length: 3000 }), fields)).toBe(true)
  expect(net.statistics.unfit).toBe(1)
})

test('that a checksum is right is told to those who have asked only', async () => {
  const backend = new Recorder(OFFLOADS)
  const { driver } = await networkCard(backend)
  const done = driver.send(RX, [{ room: LARGE }])
  backend.port.receive(frame(), { ...CSUM, flags: 2 })
  expect((await done).data[0]).toBe(0)
})

test('a limit holds frames back for as long as it says', async () => {
  const backend = new NetCallback(() => undefined)
  const { driver } = await networkCard(backend, { receiveLimits: { operations: { perSecond: 20, burst: 1 } } })
  const start = performance.now()
  const done = [1, 2, 3].map(() => driver.send(RX, [{ room: 100 }]))
  for (let count = 0; count < 3; count++) backend.deliver(frame({ first: count }))
  expect((await Promise.all(done)).map((each) => received(each).frame[20])).toEqual([20, 21, 22])
  expect(performance.now() - start).toBeGreaterThan(90)
})
