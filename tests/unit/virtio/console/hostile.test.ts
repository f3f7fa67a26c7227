// What a guest can do to a console without breaking a rule, or by breaking one; and pauses, resets and states in the middle.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Console } from '../../../../lib/virtio/index.js'
import { fuzzRuns } from '../../fuzz-runs.js'
import { bytes, consoleDevice, ConsoleDriver, OPEN, PORT_READY, READY, text, turn, turns } from './console-driver.js'

const NEEDS_RESET = 64
const PIECE = 32 * 1024
/** Memory that buffers may share. */
const SHARED = 0x20_0000

test('output without end: others have their turn all the time', async () => {
  let pieces = 0
  const count = () => {
    pieces++
  }
  const later = async () => {
    await Promise.resolve()
    count()
  }
  for (const output of [count, later]) {
    const { driver } = await consoleDevice([{ output }])
    pieces = 0
    // 480 pieces, all of them in the same memory.
    const part = { address: SHARED, length: 0x10_0000, writable: false }
    for (let chain = 0; chain < 15; chain++) void driver.offer(1, [part])
    driver.kick(1)
    await turn()
    expect(pieces).toBeLessThanOrEqual(3 * 64)
    await driver.mmio.close()
  }
})

test('a guest that writes as fast as an output takes: others have their turn all the time', async () => {
  let pieces = 0
  const writeMore = () => {
    void driver.offer(1, [{ address: SHARED, length: 1, writable: false }])
  }
  const output = () => {
    pieces++
    writeMore()
    return Promise.resolve()
  }
  const { driver } = await consoleDevice([{ output }])
  writeMore()
  driver.kick(1)
  for (let count = 0; count < 10; count++) await turn()
  expect(pieces).toBeLessThanOrEqual(11 * 64)
  expect(driver.faults).toEqual([])
})

test('a long chain comes out in pieces, whole', async () => {
  const sizes: number[] = []
  const { console, driver } = await consoleDevice([{ output: (piece) => void sizes.push(piece.length) }])
  await driver.send(1, [{ address: SHARED, length: 3 * PIECE + 5, writable: false }])
  expect(sizes).toEqual([PIECE, PIECE, PIECE, 5])
  expect(console.ports[0].statistics.sent).toBe(3 * PIECE + 5)
})

test('an output that never takes anything: the guest can reset the device, and be paused', async () => {
  const pieces: string[] = []
  const output = (piece: Uint8Array) => {
    pieces.push(text(piece))
    return new Promise<void>(() => undefined)
  }
  const { driver } = await consoleDevice([{ output }])
  const held = driver.print('one')
  const later = driver.print('two')
  await driver.mmio.pause()
  await held
  expect(driver.mmio.save().queues[1]?.ring).toEqual({ available: 1, used: 1 })
  driver.mmio.resume()
  await driver.start()
  void later
  void driver.print('three')
  await turns()
  expect([pieces, driver.status]).toEqual([['one'], 15])
  await driver.mmio.close()
})

test('a pause in the middle of a long chain: what has not been put out is lost, and counted', async () => {
  let take: () => void = () => undefined
  const { console, driver } = await consoleDevice([{ output: () => new Promise<void>((resolve) => (take = resolve)) }])
  const done = driver.send(1, [{ address: SHARED, length: 2 * PIECE, writable: false }])
  await driver.mmio.pause()
  await done
  take()
  await turns()
  expect(console.ports[0].statistics).toEqual({ sent: PIECE, received: 0, lost: PIECE })
  driver.mmio.resume()
  const next = driver.print('x')
  await turns()
  take()
  await next
  expect(console.ports[0].statistics.sent).toBe(PIECE + 1)
})

test('bytes wait at their source while the machine is paused', async () => {
  let drained = 0
  const { console, driver } = await consoleDevice([{ onDrain: () => drained++ }])
  const buffer = driver.receive()
  await driver.mmio.pause()
  expect(console.ports[0].receive(bytes('hello'))).toBe(0)
  driver.mmio.resume()
  expect(drained).toBe(1)
  expect(console.ports[0].receive(bytes('hello'))).toBe(5)
  expect(await buffer).toBe('hello')
})

test.each([
  ['no room', [{ room: 0 }]],
  ['many pieces of no room', Array.from({ length: 12 }, () => ({ room: 0 }))],
  ['something to read, and nothing to write', [{ data: new Uint8Array(100) }]],
])('a receive buffer with %s: the device waits to be reset', async (_, buffers) => {
  const { console, driver } = await consoleDevice()
  const good = driver.receive(2)
  void driver.send(0, buffers)
  expect(console.ports[0].receive(bytes('hello'))).toBe(2)
  expect(await good).toBe('he')
  expect(driver.status & NEEDS_RESET).toBe(NEEDS_RESET)
  expect(driver.faults).toMatchObject([{ code: 'ERR_KVM_VIRTIO_DRIVER' }])
  await driver.start()
  const again = driver.receive()
  expect(console.ports[0].receive(bytes('llo'))).toBe(3)
  expect(await again).toBe('llo')
})

test('a buffer outside of memory, in either direction: the device waits to be reset, and the output got nothing', async () => {
  let called = 0
  const output = () => {
    called++
  }
  for (const [queue, writable] of [
    [0, true],
    [1, false],
  ] as const) {
    const { console, driver } = await consoleDevice([{ output }])
    void driver.send(queue, [{ address: 0xffff_0000, length: 16, writable }])
    expect(console.ports[0].receive(bytes('x'))).toBe(0)
    expect(driver.faults).toMatchObject([{ code: 'ERR_KVM_VIRTIO_DRIVER' }])
  }
  expect(called).toBe(0)
})

test('a port that is opened and closed without end: who listens hears it, and nothing else happens', async () => {
  let changes = 0
  const { driver } = await consoleDevice([{ name: 'a', onOpen: () => changes++ }])
  for (let count = 0; count < 100; count++) {
    await driver.tell(0, OPEN, count % 2)
    await driver.tell(0, OPEN, count % 2)
  }
  expect([changes, driver.faults]).toEqual([99, []])
})

test('any messages at all, from a driver that reads now and then: nothing breaks, and nothing piles up', async () => {
  const message = fc.record({ port: fc.nat(3), event: fc.nat(9), value: fc.nat(2), listens: fc.boolean() })
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 30, size: 'max' }), async (messages) => {
      const { console, driver } = await consoleDevice([{}, { name: 'a' }, { name: 'b', console: true }], {
        queueSize: 32,
      })
      for (const { port, event, value, listens } of messages) {
        if (listens) driver.listen(1)
        await driver.tell(port, event, value)
      }
      expect([driver.faults, driver.status]).toEqual([[], 15])
      await driver.start()
      driver.listen()
      await driver.tell(0, READY)
      expect((await driver.heard()).slice(-3)).toEqual(['0 add 0', '1 add 0', '2 add 0'])
      expect(console.save()).toEqual({ version: 1, ports: [0, 0, 0], pending: [0, 0, 0] })
    }),
    fuzzRuns(0.1),
  )
})

test('state: who has which port open, and what the driver has yet to hear', async () => {
  const ports = [{}, { name: 'a' }]
  const first = await consoleDevice(ports)
  await first.driver.tell(0, READY)
  await first.driver.tell(1, PORT_READY)
  await first.driver.tell(1, OPEN)
  await first.driver.mmio.pause()
  const saved = JSON.parse(JSON.stringify(first.driver.mmio.save())) as ReturnType<typeof first.driver.mmio.save>
  // The driver is the same, and so is its memory.
  const console = new Console(ports)
  const driver = new ConsoleDriver(console, { memory: first.driver.memory })
  driver.mmio.restore(saved)
  driver.queues.push(...first.driver.queues)
  expect(console.save()).toEqual(first.console.save())
  expect(console.ports.map(({ isOpen }) => isOpen)).toEqual([false, true])
  driver.listen()
  expect(await driver.heard()).toEqual(['0 add 0', '1 add 0', '1 name a', '1 open 1'])
})

test('a state that is not possible is refused, and changes nothing', async () => {
  const { console, driver } = await consoleDevice([{}, { name: 'a' }])
  await driver.tell(1, OPEN)
  const before = console.save()
  for (const wrong of [
    { version: 2 },
    { ports: [0] },
    { ports: [0, 4] },
    { pending: [0, 0, 0] },
    { pending: [1, -1] },
  ]) {
    expect(() => {
      console.restore({ ...before, ...wrong })
    }).toThrow(expect.objectContaining({ code: 'ERR_KVM_INVALID_STATE' }))
  }
  expect(console.save()).toEqual(before)
})
