import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { type Duplex, PassThrough } from 'node:stream'
import { afterEach, expect, test } from 'vitest'
import { NetStream, type NetStreamOptions } from '../../../../lib/virtio/index.js'
import { expectRefusal } from '../../../thrown.js'
import { concat, frame, networkCard, received, RX, send } from './net-driver.js'

const cleanUps: (() => unknown)[] = []
afterEach(async () => {
  for (const each of cleanUps.splice(0).reverse()) await each()
})

const length = (count: number) => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, count)
  return bytes
}

async function listen(): Promise<{ server: Server; port: number; accepted: () => Promise<Socket> }> {
  const waiting: Socket[] = []
  const server = createServer((socket) => {
    waiting.push(socket.on('error', () => undefined))
    cleanUps.push(() => socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanUps.push(() => server.close())
  const { port } = server.address() as AddressInfo
  const accepted = async () => {
    while (waiting.length === 0) await new Promise((resolve) => setTimeout(resolve, 2))
    return waiting.shift() as Socket
  }
  return { server, port, accepted }
}

/** A card at a loopback connection, and its other end. */
async function connected(options: NetStreamOptions = {}) {
  const { server, port, accepted } = await listen()
  const events: [up: boolean, error?: unknown][] = []
  const stream = new NetStream(() => connect(port, '127.0.0.1'), options)
  const { net, driver } = await networkCard(stream, { onLink: (...event) => events.push(event) })
  cleanUps.push(() => driver.mmio.close())
  const peer = await accepted()
  await until(() => net.link)
  return { server, port, accepted, events, stream, net, driver, peer }
}

async function until(holds: () => boolean): Promise<void> {
  for (let count = 0; !holds(); count++) {
    if (count > 1000) throw new Error('that did not come')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Reads so many bytes. */
async function read(socket: Socket, count: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for (let have = 0; have < count;) {
    const chunk = socket.read() as Buffer | null
    if (chunk === null) await once(socket, 'readable')
    else have += chunks.push(chunk) > 0 ? chunk.length : 0
  }
  return new Uint8Array(Buffer.concat(chunks))
}

test('a frame goes with its length before it, and comes so', async () => {
  const { driver, peer } = await connected()
  await send(driver, frame({ length: 1514 }))
  expect(await read(peer, 1518)).toEqual(concat(length(1514), frame({ length: 1514 })))
  const done = [driver.send(RX, [{ room: 100 }]), driver.send(RX, [{ room: 100 }])]
  const both = concat(length(60), frame(), length(14), frame({ length: 14 }))
  // However the bytes come.
  for (const [start, end] of [
    [0, 2],
    [2, 30],
    [30, 66],
    [66, both.length],
  ]) {
    peer.write(both.subarray(start, end))
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  expect((await Promise.all(done)).map((each) => received(each).frame)).toEqual([frame(), frame({ length: 14 })])
})

test('a guest that takes nothing holds the peer back, and then gets all in order', async () => {
  const { driver, net, peer } = await connected()
  const count = 1000
  for (let index = 0; index < count; index++) peer.write(concat(length(1500), frame({ length: 1500, first: index })))
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(net.statistics.receivedFrames).toBe(0)
  for (let index = 0; index < count; index++) {
    const room = { address: 0x20_0000, length: 2000, writable: true }
    const { data } = await driver.send(RX, [room])
    expect(data[100]).toBe((88 + index) & 0xff)
  }
  expect(net.statistics).toMatchObject({ receivedFrames: count, unwanted: 0 })
})

test('a peer that reads nothing costs frames, and no more memory than was said', async () => {
  const { driver, stream, net, peer } = await connected({ waiting: 100_000 })
  peer.pause()
  const buffer = { address: 0x20_0000, length: 60_012, writable: false }
  driver.memory.fill(0x20_0000, 12, 0)
  await until(() => {
    void driver.send(1, [buffer])
    return stream.dropped > 20
  })
  expect(net.link).toBe(true)
  expect(driver.faults).toEqual([])
})

test.each([0, 13, 65_551, 0xffff_ffff])('a peer that says that a frame has %i bytes is left', async (wrong) => {
  const { driver, net, peer, events } = await connected()
  peer.write(concat(length(wrong), new Uint8Array(100)))
  await until(() => !net.link)
  expect(events.at(-1)).toMatchObject([
    false,
    { code: 'ERR_KVM_NETWORK', message: expect.stringContaining('has no network') as string },
  ])
  await send(driver, frame())
  expect(net.statistics.sentDown).toBe(1)
  peer.resume()
  await until(() => peer.destroyed)
})

test('a peer that goes in the middle of a frame: the link is down, and the guest goes on', async () => {
  const { driver, net, peer } = await connected()
  peer.end(concat(length(60), frame().subarray(0, 30)))
  await until(() => !net.link)
  void driver.send(RX, [{ room: 100 }])
  await send(driver, frame())
  expect(driver.faults).toEqual([])
})

test('a peer that comes back is found again', async () => {
  const { driver, net, peer, accepted, events } = await connected({ reconnect: 20 })
  peer.write(length(60))
  peer.destroy()
  await until(() => !net.link)
  const again = await accepted()
  await until(() => net.link)
  const done = driver.send(RX, [{ room: 100 }])
  again.write(concat(length(60), frame()))
  expect(received(await done).frame).toEqual(frame())
  expect(events.map(([up]) => up)).toEqual([false, true, false, true])
})

test('nobody there: the link is down until somebody is', async () => {
  const { server, port } = await listen()
  server.close()
  await once(server, 'close')
  const { net, driver } = await networkCard(new NetStream(() => connect(port, '127.0.0.1'), { reconnect: 20 }))
  cleanUps.push(() => driver.mmio.close())
  await new Promise((resolve) => setTimeout(resolve, 60))
  expect(net.link).toBe(false)
  server.listen(port, '127.0.0.1')
  await until(() => net.link)
})

test('a connection that cannot even be made is a link that is down', async () => {
  const stream = new NetStream(() => {
    throw new Error('no such socket')
  })
  const { net } = await networkCard(stream)
  expect(net.link).toBe(false)
})

/** What `onLink` hears in some time of reconnecting, without a word of a warning. */
async function heardOf(connection: () => unknown): Promise<unknown[]> {
  const events: unknown[] = []
  const warn = (warning: Error) => events.push(warning)
  process.on('warning', warn)
  const stream = new NetStream(connection as () => Duplex, { reconnect: 1 })
  const { net, driver } = await networkCard(stream, {
    onLink: (up, error) => events.push([up, (error as Error | undefined)?.message]),
  })
  await new Promise((resolve) => setTimeout(resolve, 60))
  process.off('warning', warn)
  expect(net.link).toBe(false)
  await driver.mmio.close()
  return events
}

const OVER = [[false, 'virtio0 has no network: connect() has returned a stream that is over']]

test('a socket that has been closed before it is given is a link that is down', async () => {
  const { port, accepted } = await listen()
  const peer = connect(port, '127.0.0.1')
  const socket = await accepted()
  peer.destroy()
  socket.resume()
  await once(socket, 'close')
  expect(await heardOf(() => socket)).toEqual(OVER)
})

test('so is one whose peer has ended it, which is closed then; and one that has failed', async () => {
  const ended = new PassThrough({ allowHalfOpen: true, autoDestroy: false })
  ended.end()
  ended.resume()
  await once(ended, 'end')
  expect(ended.destroyed).toBe(false)
  expect(await heardOf(() => ended)).toEqual(OVER)
  expect(ended.destroyed).toBe(true)
  const failed = new PassThrough()
  failed.on('error', () => undefined).destroy(new Error('the cable is cut'))
  expect(await heardOf(() => failed)).toEqual([[false, 'virtio0 has no network: the cable is cut']])
})

test.each([undefined, null, 7, {}, Promise.resolve()])('so is what is no stream at all: %s', async (what) => {
  expect(await heardOf(() => what)).toEqual([[false, 'virtio0 has no network: connect() has returned no stream']])
})

test('wrong options', () => {
  expectRefusal(() => new NetStream('/run/passt.sock' as never), 'ERR_KVM_INVALID_ARGUMENT')
  for (const wrong of [{ reconnect: 0 }, { waiting: 0 }, { path: '/' } as never]) {
    expectRefusal(() => new NetStream(() => connect(1), wrong), 'ERR_KVM_INVALID_ARGUMENT')
  }
})
