import { expect, test } from 'vitest'
import { NetCallback, netFeatures as F } from '../../../../lib/virtio/index.js'
import { expectRefusal } from '../../../thrown.js'
import {
  BASIC,
  command,
  concat,
  CONTROL,
  frame,
  header,
  networkCard,
  OTHER,
  OWN,
  Recorder,
  send,
  turn,
  TX,
} from './net-driver.js'

const NEEDS_RESET = 64

test('a frame goes to the back end as it was sent', async () => {
  const backend = new Recorder()
  const { net, driver } = await networkCard(backend)
  const bytes = frame({ to: OTHER, from: OWN, length: 1514 })
  expect((await send(driver, bytes)).written).toBe(0)
  expect(backend.sent).toEqual([bytes])
  expect(net.statistics).toMatchObject({ sentFrames: 1, sentBytes: 1514 })
})

test('a frame may lie in pieces, with its header cut in two', async () => {
  const backend = new Recorder()
  const { driver } = await networkCard(backend)
  const bytes = concat(header(), frame({ length: 100 }))
  const cuts = [0, 5, 12, 20, 40, bytes.length]
  await driver.send(
    TX,
    cuts.slice(1).map((end, index) => ({ data: bytes.subarray(cuts[index], end) })),
  )
  expect(backend.sent).toEqual([frame({ length: 100 })])
})

test.each([
  ['no bytes', 0, false],
  ['13 bytes', 13, false],
  ['14 bytes', 14, true],
  ['65,550 bytes', 65_550, true],
  ['65,551 bytes', 65_551, false],
])('a frame of %s', async (_, length, goes) => {
  const backend = new Recorder()
  const { net, driver } = await networkCard(backend)
  await send(driver, frame({ length }))
  expect(backend.sent.length).toBe(goes ? 1 : 0)
  expect(net.statistics.malformed).toBe(goes ? 0 : 1)
  expect(driver.faults).toEqual([])
})

test.each([0, 1, 11])(
  'a chain of %i bytes has no header: the device waits to be reset, and then goes on',
  async (length) => {
    const backend = new Recorder()
    const { driver } = await networkCard(backend)
    void driver.send(TX, [{ data: new Uint8Array(length) }])
    await turn()
    expect(driver.status & NEEDS_RESET).toBe(NEEDS_RESET)
    expect(driver.faults).toMatchObject([{ code: 'ERR_KVM_VIRTIO_DRIVER' }])
    await driver.start()
    await send(driver, frame())
    expect(backend.sent.length).toBe(1)
  },
)

test('a frame that the guest changes while it is sent: its addresses are those that were looked at', async () => {
  const backend = new Recorder()
  const { driver } = await networkCard(backend, { checkSource: true })
  backend.send = ({ data }) => {
    driver.memory.fill(0x20_0000, 200, 0xee)
    backend.sent.push(data.copy(0, 16))
  }
  await send(driver, frame({ to: OTHER, from: OWN }))
  expect(backend.sent).toEqual([concat(frame({ to: OTHER, from: OWN }).subarray(0, 14), Uint8Array.of(0xee, 0xee))])
})

test('a frame from another address is refused where that is asked for', async () => {
  const backend = new Recorder()
  const { net, driver } = await networkCard(backend, { checkSource: true })
  await send(driver, frame({ to: OTHER, from: OTHER }))
  await send(driver, frame({ to: OTHER, from: OWN }))
  expect(backend.sent).toEqual([frame({ to: OTHER, from: OWN })])
  expect(net.statistics.spoofed).toBe(1)
})

test('whose address is checked cannot set another one, by a command or by a state', async () => {
  const backend = new Recorder()
  const features = CONTROL & ~F.VIRTIO_NET_F_CTRL_MAC_ADDR
  const { net, driver } = await networkCard(backend, { checkSource: true }, { features })
  expect(net.features & F.VIRTIO_NET_F_CTRL_MAC_ADDR).toBe(0n)
  expect(await command(driver, [1, 1, 0x52, 0x54, 0, 0, 0, 2])).toBe(false)
  const other = { ...net.save(), mac: [0x52, 0x54, 0, 0, 0, 2] }
  expectRefusal(() => net.restore(other), 'ERR_KVM_INVALID_STATE', /make it with mac: '52:54:00:00:00:02'/)
  net.restore(net.save())
  expect(net.mac).toBe(OWN)
  await send(driver, frame({ to: OWN, from: OTHER }))
  expect([backend.sent.length, net.statistics.spoofed]).toEqual([0, 1])
})

const OFFLOADS = F.VIRTIO_NET_F_CSUM | F.VIRTIO_NET_F_HOST_TSO4 | F.VIRTIO_NET_F_HOST_TSO6 | F.VIRTIO_NET_F_HOST_ECN
const CSUM = { flags: 1, csum_start: 34, csum_offset: 16 }
const TSO = { ...CSUM, gso_type: 1, gso_size: 1448, hdr_len: 66 }

test.each([
  ['a checksum', CSUM, true],
  ['a checksum in the last two bytes', { flags: 1, csum_start: 100, csum_offset: 98 }, true],
  ['a checksum that reaches past the frame', { flags: 1, csum_start: 100, csum_offset: 99 }, false],
  ['a checksum that begins past the frame', { flags: 1, csum_start: 65535, csum_offset: 0 }, false],
  ['a checksum whose places add up past 16 bits', { flags: 1, csum_start: 65535, csum_offset: 65535 }, false],
  ['places that no flag speaks of', { csum_start: 65535, csum_offset: 65535 }, true],
  ['a large segment over IPv4', TSO, true],
  ['a large segment over IPv6', { ...TSO, gso_type: 4 }, true],
  ['a large segment with congestion notification', { ...TSO, gso_type: 0x81 }, true],
  ['a large segment without a checksum', { ...TSO, flags: 0 }, false],
  ['a large segment of parts of no bytes', { ...TSO, gso_size: 0 }, false],
  ['a large segment whose headers are longer than it is', { ...TSO, hdr_len: 201 }, false],
  ['a large UDP datagram, which was not offered', { ...TSO, gso_type: 3 }, false],
  ['congestion notification for no segment', { ...TSO, gso_type: 0x80 }, false],
  ['an unknown kind of large segment', { ...TSO, gso_type: 0x7f }, false],
])('a header with %s', async (_, fields, goes) => {
  const backend = new Recorder(OFFLOADS)
  const { net, driver } = await networkCard(backend, {}, { features: BASIC | OFFLOADS })
  await send(driver, frame({ length: 200 }), fields)
  expect([backend.sent.length, net.statistics.malformed]).toEqual(goes ? [1, 0] : [0, 1])
  if (goes) expect(backend.headers[0]).toMatchObject(fields)
})

test('flags that are not for the device do not reach the back end', async () => {
  const backend = new Recorder(OFFLOADS)
  const { driver } = await networkCard(backend, {}, { features: BASIC | OFFLOADS })
  await send(driver, frame(), { flags: 0xfe })
  expect(backend.headers[0]?.flags).toBe(0)
})

test.each([
  ['a checksum', CSUM],
  ['a large segment', TSO],
])('a header with %s, which the driver has not agreed to', async (_, fields) => {
  const backend = new Recorder(OFFLOADS)
  const { net, driver } = await networkCard(backend)
  await send(driver, frame({ length: 200 }), fields)
  expect([backend.sent.length, net.statistics.malformed]).toEqual([0, 1])
})

test('what the back end cannot do is not offered', () => {
  const features = async (backend: Recorder) => (await networkCard(backend)).net.features & OFFLOADS
  return Promise.all([
    expect(features(new Recorder())).resolves.toBe(0n),
    expect(features(new Recorder(F.VIRTIO_NET_F_CSUM | (1n << 63n)))).resolves.toBe(F.VIRTIO_NET_F_CSUM),
  ])
})

test('a back end that takes its time keeps the buffer until it has sent it; a reset waits for that', async () => {
  const backend = new Recorder()
  let release: (value?: unknown) => void = () => undefined
  Object.assign(backend, { send: () => new Promise((resolve) => (release = resolve)) })
  const { driver } = await networkCard(backend)
  let done = false
  void send(driver, frame()).then(() => (done = true))
  await turn()
  expect(done).toBe(false)
  const reset = driver.write(0x70, 0)
  expect(reset).toBeInstanceOf(Promise)
  release()
  await reset
  expect(driver.status).toBe(0)
})

test('a back end that throws stops its card, and nothing else', async () => {
  const backend = new Recorder()
  backend.send = () => {
    throw new Error('out of order')
  }
  const { driver } = await networkCard(backend)
  await Promise.race([send(driver, frame()), turn()])
  expect(driver.status & NEEDS_RESET).toBe(NEEDS_RESET)
  expect(driver.faults).toMatchObject([{ message: 'out of order' }])
})

test('what a function returns that is no promise means nothing', async () => {
  const frames: Uint8Array[] = []
  const push = ((bytes: Uint8Array) => frames.push(bytes)) as unknown as (bytes: Uint8Array) => void
  const { net, driver } = await networkCard(new NetCallback(push))
  await send(driver, frame())
  await send(driver, frame())
  expect([frames.length, net.statistics.sentFrames, driver.faults]).toEqual([2, 2, []])
})

test('a limit holds frames back, and a pause lets them go', async () => {
  const backend = new Recorder()
  const { net, driver } = await networkCard(backend, { sendLimits: { operations: { perSecond: 1, burst: 1 } } })
  for (let count = 0; count < 3; count++) void send(driver, frame())
  await turn()
  expect(backend.sent.length).toBe(1)
  await driver.mmio.pause()
  expect(backend.sent.length).toBe(3)
  driver.mmio.resume()
  net.sendLimits = {}
  await send(driver, frame())
  expect(backend.sent.length).toBe(4)
})

test('a reset forgets what a limit holds back', async () => {
  const backend = new Recorder()
  const { driver } = await networkCard(backend, { sendLimits: { operations: { perSecond: 1, burst: 1 } } })
  for (let count = 0; count < 3; count++) void send(driver, frame())
  await turn()
  await driver.start()
  expect(backend.sent.length).toBe(1)
})
