// One terminal: two queues, and no messages.
import { expect, test } from 'vitest'
import { Console, consoleFeatures as F } from '../../../../lib/virtio/index.js'
import { VERSION_1 } from '../mmio-driver.js'
import { bytes, consoleDevice, text, turns } from './console-driver.js'

const NEEDS_RESET = 64
const MULTIPORT = F.VIRTIO_CONSOLE_F_MULTIPORT

/** A console whose output is kept. */
async function recorded() {
  const pieces: Uint8Array[] = []
  const made = await consoleDevice([{ output: (piece) => void pieces.push(piece) }])
  return { ...made, pieces, written: () => pieces.map(text).join('') }
}

test('it offers a size, and no messages about ports', () => {
  const console = new Console()
  expect([console.id, console.features, console.queueSizes]).toEqual([3, F.VIRTIO_CONSOLE_F_SIZE, [128, 128]])
  expect(console.ports.map(({ index, isConsole, name }) => [index, isConsole, name])).toEqual([[0, true, undefined]])
})

test('what the guest writes comes out in order, in pieces that are copies', async () => {
  const { console, driver, written, pieces } = await recorded()
  await driver.print('hello, ')
  await driver.send(1, [{ data: bytes('wor') }, { data: bytes('ld') }])
  driver.memory.fill(0x20_0000, 0x100, 0)
  expect(written()).toBe('hello, world')
  expect(pieces).toHaveLength(2)
  expect(console.ports[0].statistics).toEqual({ sent: 12, received: 0, lost: 0 })
})

test('what the guest writes is lost, and counted, where there is no output', async () => {
  const { console, driver } = await consoleDevice()
  await driver.print('hello')
  expect(console.ports[0].statistics).toEqual({ sent: 0, received: 0, lost: 5 })
})

test('a chain without bytes comes back, and the output hears nothing of it', async () => {
  const { driver, pieces } = await recorded()
  await driver.print('')
  await driver.send(1, [{ room: 8 }])
  expect([pieces, driver.faults]).toEqual([[], []])
})

test('while a promise of the output is pending it gets no more, and the guest waits', async () => {
  const pieces: string[] = []
  const takers: (() => void)[] = []
  const output = (piece: Uint8Array) => {
    pieces.push(text(piece))
    return new Promise<void>((resolve) => takers.push(resolve))
  }
  const { console, driver } = await consoleDevice([{ output }])
  const done: string[] = []
  void driver.print('one').then(() => done.push('one'))
  void driver.print('two').then(() => done.push('two'))
  await turns()
  expect([pieces, done, console.ports[0].statistics.sent]).toEqual([['one'], [], 0])
  takers[0]?.()
  await turns()
  expect([pieces, done, console.ports[0].statistics.sent]).toEqual([['one', 'two'], ['one'], 3])
})

test('an output that fails: the device waits to be reset, and what was lost is counted', async () => {
  for (const output of [
    () => {
      throw new Error('no paper')
    },
    () => Promise.reject(new Error('no paper')),
  ]) {
    const { console, driver } = await consoleDevice([{ output }])
    void driver.print('hello')
    await turns()
    expect(driver.faults).toEqual([new Error('no paper')])
    expect(driver.status & NEEDS_RESET).toBe(NEEDS_RESET)
    expect(console.ports[0].statistics).toEqual({ sent: 0, received: 0, lost: 5 })
    await driver.start()
    expect(driver.status).toBe(15)
  }
})

test('the guest reads what it has room for; the rest is told when there is more', async () => {
  let drained = 0
  const { console, driver } = await consoleDevice([{ onDrain: () => drained++ }])
  const [port] = console.ports
  expect(port.receive(bytes('hello'))).toBe(0)
  const parts = [driver.receive(3), driver.receive(4)]
  expect(drained).toBe(1)
  expect(port.receive(bytes('hello, world'))).toBe(7)
  expect(await Promise.all(parts)).toEqual(['hel', 'lo, '])
  const more = driver.receive(8)
  expect(drained).toBe(2)
  expect(port.receive(bytes('world'))).toBe(5)
  expect(await more).toBe('world')
  void driver.receive(8)
  // All of it was taken: there is nothing to be told.
  expect(drained).toBe(2)
  expect(port.statistics).toEqual({ sent: 0, received: 12, lost: 0 })
})

test('a guest that never reads is given nothing, and nothing waits for it here', async () => {
  const { console } = await consoleDevice()
  for (let count = 0; count < 1000; count++) expect(console.ports[0].receive(new Uint8Array(4096))).toBe(0)
  expect(console.ports[0].statistics).toEqual({ sent: 0, received: 0, lost: 0 })
})

test('it is open from when the driver works until the reset', async () => {
  const opened: boolean[] = []
  const { console, driver } = await consoleDevice([{ onOpen: (open) => opened.push(open) }])
  expect(console.ports[0].isOpen).toBe(true)
  await driver.write(0x70, 0)
  expect([console.ports[0].isOpen, opened]).toEqual([false, [true, false]])
  expect(console.ports[0].receive(bytes('x'))).toBe(0)
})

test('a terminal that nobody is at loses what the guest writes', async () => {
  const { console, driver, written } = await recorded()
  console.ports[0].isConnected = false
  await driver.print('one')
  console.ports[0].isConnected = true
  await driver.print('two')
  expect([written(), console.ports[0].statistics.lost]).toEqual(['two', 3])
})

test('the size is in the configuration, and a change interrupts', async () => {
  const { console, driver } = await consoleDevice([{ size: { columns: 80, rows: 25 } }])
  expect([...driver.config(0, 12)]).toEqual([80, 0, 25, 0, 1, 0, 0, 0, 0, 0, 0, 0])
  const generation = driver.read(0xfc)
  void driver.write(0x64, 2)
  console.ports[0].resize(300, 2)
  expect([...driver.config(0, 4)]).toEqual([300 & 0xff, 1, 2, 0])
  expect(driver.read(0xfc)).not.toBe(generation)
  expect(driver.read(0x60) & 2).toBe(2)
  expect(console.ports[0].size).toEqual({ columns: 300, rows: 2 })
})

test.each([
  [80, 25, 2],
  [0, 0, 0],
])(
  'a size of %i by %i at the start: the driver that is ready hears that there is one',
  async (columns, rows, change) => {
    const { driver } = await consoleDevice([{ size: { columns, rows } }])
    expect(driver.read(0x60) & 2).toBe(change)
  },
)

test('a storm of resizes is one interrupt, and the last size', async () => {
  const { console, driver } = await consoleDevice()
  for (let count = 1; count <= 10_000; count++) console.ports[0].resize(count, count)
  await turns()
  expect([...driver.config(0, 2)]).toEqual([10_000 & 0xff, 10_000 >> 8])
  expect(driver.interrupts).toBe(1)
})

test('a driver that wants messages, where there are none, is refused', async () => {
  const { driver } = await consoleDevice([{}], { features: VERSION_1 | MULTIPORT })
  expect(driver.status & 8).toBe(0)
})
