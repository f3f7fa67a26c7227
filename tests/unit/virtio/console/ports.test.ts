// Several ports: messages say which there are, what they are, and who has them open.
import { expect, test } from 'vitest'
import { Console, type ConsolePortOptions, consoleFeatures as F } from '../../../../lib/virtio/index.js'
import { expectRefusal } from '../../../thrown.js'
import { VERSION_1 } from '../mmio-driver.js'
import { ADD, bytes, consoleDevice, CONSOLE, NAME, OPEN, PORT_READY, READY, RESIZE, text } from './console-driver.js'

const NEEDS_RESET = 64

/** A terminal and a port with a name, of which the driver knows. */
async function twoPorts(agent: ConsolePortOptions = {}) {
  const made = await consoleDevice([{}, { name: 'org.example.agent', ...agent }])
  const { driver, console } = made
  driver.listen()
  await driver.tell(0xffff_ffff, READY)
  expect(await driver.heard()).toEqual(['0 add 0', '1 add 0'])
  for (const port of [0, 1]) await driver.tell(port, PORT_READY)
  const [terminal, named] = console.ports
  return { ...made, terminal, named: named as typeof terminal }
}

test('what there is: features, queues, and how many ports', async () => {
  const { console, driver } = await consoleDevice([{}, { name: 'a' }, { name: 'b', console: true }])
  expect(console.features).toBe(F.VIRTIO_CONSOLE_F_SIZE | F.VIRTIO_CONSOLE_F_MULTIPORT)
  expect(console.queueSizes).toEqual([128, 128, 32, 32, 128, 128, 128, 128])
  expect([...driver.config(4, 4)]).toEqual([3, 0, 0, 0])
  expect(console.ports.map(({ isConsole }) => isConsole)).toEqual([true, false, true])
  expect(new Console([{ name: 'only' }]).features).toBe(F.VIRTIO_CONSOLE_F_MULTIPORT)
})

test('a driver that has got to know a port hears what it is', async () => {
  const { driver } = await twoPorts()
  expect(await driver.heard()).toEqual([
    '0 console 1',
    '0 open 1',
    '0 size 0 rows 0 columns',
    '1 name org.example.agent',
    '1 open 1',
  ])
})

test('a port that the driver could not use it hears nothing of; nor when it is not ready itself', async () => {
  const { driver } = await consoleDevice([{ name: 'a' }])
  driver.listen()
  await driver.tell(0, READY, 0)
  await driver.tell(0, PORT_READY, 0)
  expect([await driver.heard(), driver.faults]).toEqual([[], []])
})

test('bytes go both ways through a port that the guest has open', async () => {
  const out: string[] = []
  const opened: boolean[] = []
  let drained = 0
  const { driver, named } = await twoPorts({
    output: (piece) => void out.push(text(piece)),
    onOpen: (open) => opened.push(open),
    onDrain: () => drained++,
  })
  const buffer = driver.receive(64, 1)
  expect([named.isOpen, named.receive(bytes('hello')), drained]).toEqual([false, 0, 0])
  await driver.tell(1, OPEN)
  expect([named.isOpen, drained]).toEqual([true, 1])
  expect(named.receive(bytes('hello'))).toBe(5)
  expect(await buffer).toBe('hello')
  await driver.print('world', 1)
  await driver.tell(1, OPEN, 0)
  expect([out, opened, named.receive(bytes('x'))]).toEqual([['world'], [true, false], 0])
})

test('a port does not wait for another one', async () => {
  const out: string[] = []
  const stuck = () => new Promise<void>(() => undefined)
  const { driver } = await consoleDevice([
    { output: stuck },
    { name: 'a', output: (piece) => void out.push(text(piece)) },
  ])
  void driver.print('one')
  await driver.print('two', 1)
  expect(out).toEqual(['two'])
})

test('the guest hears who is at the other end, and of another size', async () => {
  const { driver, terminal, named } = await twoPorts()
  await driver.heard()
  driver.listen()
  named.isConnected = false
  terminal.resize(132, 43)
  expect(await driver.heard()).toEqual(['1 open 0', '0 size 43 rows 132 columns'])
  expectRefusal(() => named.resize(1, 1), 'ERR_KVM_INVALID_ARGUMENT', /a console/)
})

test('before a driver knows of a port it hears nothing of its changes, and then how things are', async () => {
  const { console, driver } = await consoleDevice([{ name: 'a', console: true }])
  driver.listen()
  console.ports[0].resize(10, 20)
  console.ports[0].isConnected = false
  expect(await driver.heard()).toEqual([])
  await driver.tell(0, PORT_READY)
  expect(await driver.heard()).toEqual(['0 console 1', '0 name a', '0 open 0', '0 size 20 rows 10 columns'])
})

test('for a driver that reads no messages none pile up: it hears the last of each kind', async () => {
  const { console, driver } = await consoleDevice([{ name: 'a', console: true }])
  for (let count = 0; count < 300; count++) {
    await driver.tell(0, READY)
    await driver.tell(0, PORT_READY)
    console.ports[0].resize(count, count)
    console.ports[0].isConnected = count % 2 === 0
  }
  driver.listen(16)
  expect(await driver.heard()).toEqual([
    '0 add 0',
    '0 console 1',
    '0 name a',
    '0 open 0',
    '0 size 299 rows 299 columns',
  ])
})

test('a driver with a buffer at a time gets one message after the other', async () => {
  const { driver } = await consoleDevice([{}, { name: 'a' }])
  await driver.tell(0, READY)
  const heard: string[] = []
  for (let count = 0; count < 2; count++) {
    driver.listen(1)
    heard.push(...(await driver.heard()))
  }
  expect(heard).toEqual(['0 add 0', '1 add 0'])
})

test.each([
  ['nothing', new Uint8Array(0)],
  ['seven bytes', new Uint8Array(7)],
  ['a port that there is not', [2, PORT_READY]],
  ['a port far away', [0xffff_ffff, OPEN]],
  ['a kind that there is not', [0, 9]],
  ['what only the device says: add', [0, ADD]],
  ['what only the device says: console', [0, CONSOLE]],
  ['what only the device says: size', [0, RESIZE]],
  ['what only the device says: name', [0, NAME]],
] as const)('a message of %s does nothing, and is counted', async (_, message) => {
  const { console, driver } = await twoPorts()
  await driver.heard()
  await (message instanceof Uint8Array ? driver.tell(message) : driver.tell(...message))
  expect([console.malformed, await driver.heard(), driver.faults]).toEqual([1, [], []])
  await driver.tell(0, OPEN)
  expect(console.ports[0].isOpen).toBe(true)
})

test('a message with more behind it, of any length, is one message', async () => {
  const { console, driver } = await twoPorts()
  const data = new Uint8Array(0x1_0000)
  data.set([1, 0, 0, 0, OPEN, 0, 1, 0])
  await driver.tell(data)
  expect([console.ports[1]?.isOpen, console.malformed]).toEqual([true, 0])
})

test.each([0, 7, 8, 24])('a buffer of %i bytes for a message of 25: the device waits to be reset', async (room) => {
  const { driver } = await consoleDevice([{ name: 'org.example.agent' }])
  await driver.tell(0, PORT_READY)
  void driver.send(2, [{ room }])
  expect(driver.status & NEEDS_RESET).toBe(NEEDS_RESET)
  expect(driver.faults).toMatchObject([{ code: 'ERR_KVM_VIRTIO_DRIVER' }])
  await driver.start()
  driver.listen()
  await driver.tell(0, PORT_READY)
  expect(await driver.heard()).toEqual(['0 name org.example.agent', '0 open 1'])
})

test('a driver that knows of no messages has the first port, and nothing else', async () => {
  const out: string[] = []
  const { console, driver } = await consoleDevice([{ output: (piece) => void out.push(text(piece)) }, { name: 'a' }], {
    features: VERSION_1,
  })
  const buffer = driver.receive()
  expect(console.ports.map((port) => port.receive(bytes('hello')))).toEqual([5, 0])
  expect(await buffer).toBe('hello')
  await driver.print('world')
  void driver.send(3, [{ data: new Uint8Array(8) }])
  console.ports[0].resize(1, 1)
  console.ports[0].isConnected = false
  expect([out, console.malformed, driver.faults]).toEqual([['world'], 0, []])
})

test('a reset: the driver begins again', async () => {
  const { console, driver, terminal } = await twoPorts()
  await driver.tell(0, OPEN)
  await driver.write(0x70, 0)
  terminal.resize(1, 1)
  expect(console.save()).toEqual({ version: 1, ports: [0, 0], pending: [0, 0] })
})

test('wrong options', () => {
  const wrongPorts = [
    { name: '' },
    { name: 'a b' },
    { name: 'x'.repeat(65) },
    { name: 7 },
    { console: 1 },
    { size: { columns: 65536, rows: 0 } },
    { size: 1 },
    { output: 1 },
    { onDrain: 1 },
    { onOpen: 1 },
    { speed: 1 },
  ]
  for (const wrong of [...wrongPorts.map((port) => [port]), [], 7, Array(32).fill({})]) {
    expectRefusal(() => new Console(wrong as never), 'ERR_KVM_INVALID_ARGUMENT')
  }
  const [port] = new Console().ports
  expectRefusal(() => port.resize(-1, 0), 'ERR_KVM_INVALID_ARGUMENT')
  expectRefusal(() => port.receive('text' as never), 'ERR_KVM_INVALID_ARGUMENT')
  expectRefusal(() => (port.isConnected = 1 as never), 'ERR_KVM_INVALID_ARGUMENT')
})
