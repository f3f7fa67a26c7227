import { expect, test } from 'vitest'
import { netFeatures as F, NetSwitch } from '../../../../lib/virtio/index.js'
import { BASIC, BROADCAST, frame, networkCard, received, RX, send, turn } from './net-driver.js'

const MACS = ['52:54:00:00:00:0a', '52:54:00:00:00:0b', '52:54:00:00:00:0c'] as const
const [A, B, C] = MACS
const SEND = F.VIRTIO_NET_F_CSUM | F.VIRTIO_NET_F_HOST_TSO4 | F.VIRTIO_NET_F_HOST_TSO6
const RECEIVE = F.VIRTIO_NET_F_GUEST_CSUM | F.VIRTIO_NET_F_GUEST_TSO4 | F.VIRTIO_NET_F_GUEST_TSO6

async function threeGuests(hub = new NetSwitch(), features = BASIC) {
  const cards = await Promise.all(MACS.map((mac) => networkCard(hub.port(), { mac }, { features })))
  const frames: Uint8Array[][] = [[], [], []]
  for (const [index, { driver }] of cards.entries()) {
    for (let count = 0; count < 20; count++) {
      void driver.offer(RX, [{ room: 3000 }]).then((done) => frames[index]?.push(received(done).frame))
    }
    driver.kick(RX)
  }
  const drivers = cards.map(({ driver }) => driver)
  const talk = async (from: 0 | 1 | 2, to: string, source: string = MACS[from]) => {
    for (const each of frames) each.length = 0
    await send(drivers[from] as (typeof drivers)[0], frame({ to, from: source }))
    await turn()
    return frames.map((each) => each.length)
  }
  return { cards, drivers, frames, talk }
}

test('a frame for a station that is not known goes to all others; for one that is, only there', async () => {
  const { talk, frames } = await threeGuests()
  expect(await talk(0, B)).toEqual([0, 1, 1])
  expect(await talk(1, A)).toEqual([1, 0, 0])
  expect(await talk(0, B)).toEqual([0, 1, 0])
  expect(frames[1]).toEqual([frame({ to: B, from: A })])
  expect(await talk(2, BROADCAST)).toEqual([1, 1, 0])
})

test('a station may move to another port; a frame for its own port goes nowhere', async () => {
  const { talk } = await threeGuests()
  await talk(0, BROADCAST)
  expect(await talk(1, A)).toEqual([1, 0, 0])
  await talk(2, BROADCAST, A)
  expect(await talk(1, A)).toEqual([0, 0, 1])
  expect(await talk(2, A)).toEqual([0, 0, 0])
})

test('who invents addresses displaces none of the others', async () => {
  const { talk } = await threeGuests(new NetSwitch({ addressesPerPort: 4 }))
  await talk(0, BROADCAST)
  for (let count = 0; count < 10; count++) await talk(1, C, `52:54:00:00:01:0${count}`)
  expect(await talk(2, A)).toEqual([1, 0, 0])
  expect(await talk(2, '52:54:00:00:01:09')).toEqual([0, 1, 0])
  expect(await talk(2, '52:54:00:00:01:01')).toEqual([1, 1, 0])
})

test('the address of a group is learned from nobody', async () => {
  const { talk } = await threeGuests()
  await talk(0, B, '01:00:5e:00:00:01')
  expect(await talk(1, '01:00:5e:00:00:01')).toEqual([1, 0, 1])
})

test('a guest that takes nothing loses its own frames, and holds up nobody', async () => {
  const hub = new NetSwitch({ waitingPerPort: 5 })
  const slow = hub.port()
  await networkCard(slow, { mac: C })
  const sender = await networkCard(hub.port(), { mac: A })
  for (let count = 0; count < 8; count++) await send(sender.driver, frame({ to: BROADCAST, from: A }))
  await turn()
  expect(slow.dropped).toBe(3)
  expect(sender.net.statistics.sentFrames).toBe(8)
})

test('what one card receives is no part of what another one sends', async () => {
  const { cards, drivers, frames } = await threeGuests()
  const [sender, receiver] = drivers as [(typeof drivers)[0], (typeof drivers)[0]]
  for (let count = 0; count < 3; count++) void send(sender, frame({ to: B, from: A }))
  expect([cards[0]?.net.statistics.sentFrames, cards[1]?.net.statistics.receivedFrames]).toEqual([3, 0])
  expect(receiver.interrupts).toBe(0)
  await turn()
  await turn()
  expect([cards[1]?.net.statistics.receivedFrames, frames[1]?.length]).toEqual([3, 3])
})

test('what is on its way to a machine that goes is lost', async () => {
  const { cards, drivers } = await threeGuests()
  const [sender, receiver] = drivers as [(typeof drivers)[0], (typeof drivers)[0]]
  void send(sender, frame({ to: BROADCAST, from: A }))
  await receiver.mmio.close()
  await turn()
  expect(cards.map(({ net }) => net.statistics.receivedFrames)).toEqual([0, 0, 1])
})

test('a machine that has gone is forgotten', async () => {
  const { cards, talk } = await threeGuests()
  await talk(1, BROADCAST)
  await cards[1]?.driver.mmio.close()
  expect(await talk(0, B)).toEqual([0, 0, 1])
})

const sumWords = (bytes: Uint8Array) => {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return sum
}

/** A TCP segment as a driver leaves it: the checksum is that of the pseudo header. */
function tcp(version: 4 | 6, payload: number, flags = 0x99) {
  const ipLength = version === 4 ? 20 : 40
  const bytes = frame({ to: B, from: A, length: 14 + ipLength + 20 + payload, first: 3 })
  const view = new DataView(bytes.buffer)
  const start = 14 + ipLength
  view.setUint16(12, version === 4 ? 0x0800 : 0x86dd)
  if (version === 4) {
    bytes.set([0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2], 14)
    view.setUint16(16, bytes.length - 14)
    view.setUint16(24, ~sumWords(bytes.subarray(14, 34)))
  } else {
    bytes.set([0x60, 0, 0, 0, 0, 0, 6, 64], 14)
    view.setUint16(18, bytes.length - 54)
  }
  view.setUint32(start + 4, 1000)
  view.setUint8(start + 12, 0x50)
  view.setUint8(start + 13, flags)
  const addresses = bytes.subarray(version === 4 ? 26 : 22, start)
  view.setUint16(start + 16, sumWords(addresses) + 6 + 20 + payload)
  const rest = { flags: 1, csum_start: start, csum_offset: 16, hdr_len: start + 20 }
  return { bytes, start, rest }
}

/** That of the pseudo header and the segment, which is all ones when it is right. */
function tcpSum(bytes: Uint8Array, version: 4 | 6): number {
  const [addresses, start] = version === 4 ? [26, 34] : [22, 54]
  const pseudo = new Uint8Array(4)
  new DataView(pseudo.buffer).setUint32(0, bytes.length - start + 6)
  const part = bytes.subarray(start)
  const padded = new Uint8Array(part.length + (part.length % 2))
  padded.set(part)
  return sumWords(Uint8Array.from([...bytes.subarray(addresses, start), ...pseudo, ...padded]))
}

test.each([4, 6] as const)(
  'what the sender leaves undone is done for a guest that does not do it: IPv%i',
  async (version) => {
    const hub = new NetSwitch()
    const sender = await networkCard(hub.port(), { mac: A }, { features: BASIC | SEND })
    const plain = await networkCard(hub.port(), { mac: B })
    const able = await networkCard(hub.port(), { mac: C }, { features: BASIC | SEND | RECEIVE })
    const rooms = [1, 2, 3, 4].map(() => plain.driver.send(RX, [{ room: 2000 }]))
    const asItWas = able.driver.send(RX, [{ room: 4000 }])
    const { bytes, start, rest } = tcp(version, 2501)
    await send(sender.driver, bytes, { ...rest, gso_type: version === 4 ? 1 : 4, gso_size: 1000 })
    expect(received(await asItWas).frame).toEqual(bytes)
    const parts = await Promise.all(rooms.slice(0, 3).map(async (done) => received(await done)))
    for (const [index, { header, frame: part }] of parts.entries()) {
      const view = new DataView(part.buffer, part.byteOffset)
      expect([header[0], header[1]]).toEqual([0, 0])
      expect(part.length).toBe(start + 20 + (index === 2 ? 501 : 1000))
      expect(view.getUint32(start + 4)).toBe(1000 + 1000 * index)
      expect(view.getUint8(start + 13)).toBe([0x90, 0x10, 0x19][index])
      expect(tcpSum(part, version)).toBe(0xffff)
      if (version === 4)
        expect([sumWords(part.subarray(14, 34)), view.getUint16(16), view.getUint16(18)]).toEqual([
          0xffff,
          part.length - 14,
          0x1234 + index,
        ])
      else expect(view.getUint16(18)).toBe(part.length - 54)
    }
    const single = tcp(version, 33)
    await send(sender.driver, single.bytes, { ...single.rest, hdr_len: 0 })
    expect(tcpSum(received(await (rooms[3] as (typeof rooms)[0])).frame, version)).toBe(0xffff)
  },
)

test.each([
  ['more than 256 frames', (all: ReturnType<typeof tcp>) => ({ ...all.rest, gso_size: 1 })],
  [
    'headers of more than 512 bytes, which each part would have',
    (all: ReturnType<typeof tcp>) => ({ ...all.rest, gso_size: 1, csum_start: all.bytes.length - 40 }),
  ],
  ['headers before IP', (all: ReturnType<typeof tcp>) => ({ ...all.rest, gso_size: 100, csum_start: 20 })],
  [
    'headers at its end',
    (all: ReturnType<typeof tcp>) => ({ ...all.rest, gso_size: 100, csum_start: all.bytes.length - 18 }),
  ],
  ['another version of IP', (all: ReturnType<typeof tcp>) => ({ ...all.rest, gso_size: 100, gso_type: 4 })],
  ['a checksum that is not TCP’s', (all: ReturnType<typeof tcp>) => ({ ...all.rest, gso_size: 100, csum_offset: 6 })],
])('a large segment with %s goes to nobody who cannot take it', async (_, fields) => {
  const hub = new NetSwitch()
  const sender = await networkCard(hub.port(), { mac: A }, { features: BASIC | SEND })
  const plain = await networkCard(hub.port(), { mac: B })
  void plain.driver.send(RX, [{ room: 2000 }])
  const all = tcp(4, 600)
  await send(sender.driver, all.bytes, { gso_type: 1, ...fields(all) })
  expect(plain.net.statistics.receivedFrames).toBe(0)
  expect(sender.driver.faults).toEqual([])
})
