import { expect, test } from 'vitest'
import { NetCallback, Net, netFeatures as F } from '../../../../lib/virtio/index.js'
import * as R from '../../../../lib/virtio/mmio-registers.js'
import { expectRefusal } from '../../../thrown.js'
import {
  BASIC,
  BROADCAST,
  command,
  CONTROL,
  frame,
  networkCard,
  OTHER,
  OWN,
  received,
  Recorder,
  RX,
  send,
  turn,
} from './net-driver.js'

const CTRL_RX = 0
const CTRL_MAC = 1
const CTRL_ANNOUNCE = 3
const CTRL_MQ = 4
const MULTICAST = '01:00:5e:00:00:01'
const bytesOf = (mac: string) => mac.split(':').map((byte) => Number.parseInt(byte, 16))
const table = (...macs: string[]) => [macs.length, 0, 0, 0, ...macs.flatMap(bytesOf)]

/** Which of these stations' frames come to the guest. */
async function reached({ net, driver, backend }: Awaited<ReturnType<typeof card>>): Promise<string[]> {
  const reachedOnes: string[] = []
  for (const to of [OWN, OTHER, MULTICAST, BROADCAST]) {
    const before = net.statistics.receivedFrames
    void driver.send(RX, [{ room: 100 }])
    backend.port.receive(frame({ to }))
    await turn()
    if (net.statistics.receivedFrames > before) reachedOnes.push(to)
  }
  return reachedOnes
}

async function card(features = CONTROL) {
  const backend = new Recorder()
  const { net, driver } = await networkCard(backend, {}, { features })
  return { backend, net, driver }
}

test.each([
  ['nothing said', [], [OWN, OTHER, MULTICAST, BROADCAST]],
  ['not all', [[CTRL_RX, 0, 0]], [OWN, BROADCAST]],
  [
    'not all, but all groups',
    [
      [CTRL_RX, 0, 0],
      [CTRL_RX, 1, 1],
    ],
    [OWN, MULTICAST, BROADCAST],
  ],
  [
    'all stations',
    [
      [CTRL_RX, 0, 0],
      [CTRL_RX, 2, 1],
    ],
    [OWN, OTHER, BROADCAST],
  ],
  [
    'no groups',
    [
      [CTRL_RX, 0, 0],
      [CTRL_RX, 1, 1],
      [CTRL_RX, 3, 1],
    ],
    [OWN, BROADCAST],
  ],
  [
    'no single stations',
    [
      [CTRL_RX, 0, 0],
      [CTRL_RX, 4, 1],
    ],
    [BROADCAST],
  ],
  [
    'no broadcasts',
    [
      [CTRL_RX, 0, 0],
      [CTRL_RX, 5, 1],
    ],
    [OWN],
  ],
  [
    'a list',
    [
      [CTRL_RX, 0, 0],
      [CTRL_MAC, 0, ...table(OTHER), ...table(MULTICAST)],
    ],
    [OWN, OTHER, MULTICAST, BROADCAST],
  ],
  [
    'a list of stations',
    [
      [CTRL_RX, 0, 0],
      [CTRL_MAC, 0, ...table(OTHER), ...table()],
    ],
    [OWN, OTHER, BROADCAST],
  ],
  [
    'too many groups',
    [
      [CTRL_RX, 0, 0],
      [CTRL_MAC, 0, ...table(), ...table(...Array<string>(65).fill('01:00:00:00:00:00'))],
    ],
    [OWN, MULTICAST, BROADCAST],
  ],
  [
    'another address',
    [
      [CTRL_RX, 0, 0],
      [CTRL_MAC, 1, ...bytesOf(OTHER)],
    ],
    [OTHER, BROADCAST],
  ],
])('which frames come: %s', async (_, commands, expected) => {
  const all = await card()
  const { driver } = all
  for (const each of commands) expect(await command(driver, each)).toBe(true)
  expect(await reached(all)).toEqual(expected)
  await driver.start()
  expect(await reached(all)).toEqual([OWN, OTHER, MULTICAST, BROADCAST])
})

test.each([
  ['nothing', []],
  ['a class only', [CTRL_RX]],
  ['a class that there is not', [9, 0, 0]],
  ['a mode that there is not', [CTRL_RX, 6, 0]],
  ['a mode without a value', [CTRL_RX, 0]],
  ['a mode with two', [CTRL_RX, 0, 0, 0]],
  ['an address that is too short', [CTRL_MAC, 1, 1, 2, 3, 4, 5]],
  ['the address of a group', [CTRL_MAC, 1, ...bytesOf(MULTICAST)]],
  ['one list', [CTRL_MAC, 0, ...table(OTHER)]],
  ['a list that is shorter than it says', [CTRL_MAC, 0, 2, 0, 0, 0, ...bytesOf(OTHER), ...table()]],
  ['a list of 2³² - 1', [CTRL_MAC, 0, 255, 255, 255, 255, ...table()]],
  ['pairs of queues that were not agreed', [CTRL_MQ, 0, 1, 0]],
  ['more than 64 KiB', [CTRL_RX, 0, ...new Uint8Array(0x1_0000)]],
])('a command of %s does not work, and nothing else stops', async (_, bytes) => {
  const { driver } = await card()
  expect(await command(driver, bytes)).toBe(false)
  expect(await command(driver, [CTRL_RX, 0, 1])).toBe(true)
  expect(driver.faults).toEqual([])
})

test('commands of features that were not accepted do not work', async () => {
  const { driver } = await card(BASIC | F.VIRTIO_NET_F_CTRL_VQ)
  for (const bytes of [
    [CTRL_RX, 0, 0],
    [CTRL_RX, 5, 1],
    [CTRL_MAC, 0, ...table(), ...table()],
    [CTRL_MAC, 1, ...bytesOf(OTHER)],
  ]) {
    expect(await command(driver, bytes)).toBe(false)
  }
})

test('a command without room for its answer: the device waits to be reset', async () => {
  const { driver } = await card()
  void driver.send(2, [{ data: Uint8Array.of(CTRL_RX, 0, 0) }])
  expect(driver.faults).toMatchObject([{ code: 'ERR_KVM_VIRTIO_DRIVER' }])
})

test('several pairs of queues: frames go to those in use, and the command queue is behind all', async () => {
  const backend = new Recorder()
  const { driver } = await networkCard(backend, { queuePairs: 4 }, { features: CONTROL | F.VIRTIO_NET_F_MQ })
  expect([...driver.config(8, 2)]).toEqual([4, 0])
  for (const pairs of [0, 5, 0x8000])
    expect(await command(driver, [CTRL_MQ, 0, pairs & 0xff, pairs >> 8], 8)).toBe(false)
  const done = [0, 1, 2, 3].map((pair) => driver.send(2 * pair, [{ room: 100 }]))
  backend.port.receive(frame({ first: 0 }), undefined, 3)
  expect(received(await (done[0] as (typeof done)[0])).frame).toEqual(frame({ first: 0 }))
  expect(await command(driver, [CTRL_MQ, 0, 4, 0], 8)).toBe(true)
  backend.port.receive(frame({ first: 1 }), undefined, 3)
  expect(received(await (done[3] as (typeof done)[0])).frame).toEqual(frame({ first: 1 }))
  await send(driver, frame(), {}, 7)
  expect(backend.queues).toEqual([3])
})

test('a driver that wants one pair has the command queue where it would be with one', async () => {
  const { driver } = await networkCard(new Recorder(), { queuePairs: 4 }, { features: CONTROL })
  expect(await command(driver, [CTRL_RX, 0, 0])).toBe(true)
  expect(await command(driver, [CTRL_MQ, 0, 1, 0])).toBe(false)
})

test('the configuration: address, link and frame size', async () => {
  const { net, driver } = await networkCard(new Recorder(), { mtu: 9000 }, { features: BASIC | F.VIRTIO_NET_F_MTU })
  expect([...driver.config(0, 12)]).toEqual([...bytesOf(OWN), 1, 0, 1, 0, 0x28, 0x23])
  const before = driver.read(0xfc)
  net.link = false
  expect([...driver.config(6, 1)]).toEqual([0])
  expect(driver.read(0xfc)).not.toBe(before)
  expect(driver.read(0x60) & 2).toBe(2)
  net.link = true
  expect([...driver.config(6, 1)]).toEqual([1])
})

test('a link that the back end loses is down until it says otherwise', async () => {
  const backend = new Recorder()
  const events: unknown[] = []
  const { net, driver } = await networkCard(backend, { onLink: (...event) => events.push(event) })
  backend.port.setLink(false, new Error('unplugged'))
  backend.port.setLink(false)
  expect(net.link).toBe(false)
  await send(driver, frame())
  expect(net.statistics.sentDown).toBe(1)
  backend.port.setLink(true)
  expect(net.link).toBe(true)
  expect(events).toEqual([
    [false, new Error('unplugged')],
    [true, undefined],
  ])
})

test('a guest is asked to tell where it is, until it says that it has', async () => {
  const { net, driver } = await card(CONTROL | F.VIRTIO_NET_F_GUEST_ANNOUNCE)
  const status = () => driver.config(6, 2)[0]
  expect([net.announce(), status(), driver.read(R.INTERRUPT_STATUS) & R.CONFIG_CHANGE]).toEqual([
    true,
    3,
    R.CONFIG_CHANGE,
  ])
  const state = net.save()
  expect([await command(driver, [CTRL_ANNOUNCE, 1]), await command(driver, [CTRL_ANNOUNCE, 0, 0]), status()]).toEqual([
    ...[false, false, 3],
  ])
  expect([await command(driver, [CTRL_ANNOUNCE, 0]), status(), net.save().announcing]).toEqual([true, 1, false])
  net.restore(state)
  expect(status()).toBe(3)
  await driver.start()
  expect(status()).toBe(1)
})

test.each([
  ['a driver that cannot', CONTROL],
  ['one without commands', BASIC | F.VIRTIO_NET_F_GUEST_ANNOUNCE],
])('%s is not asked', async (_, features) => {
  const { net, driver } = await card(features)
  expect([net.announce(), driver.config(6, 2)[0], driver.interrupts]).toEqual([false, 1, 0])
})

test('state: what the driver has said is there again', async () => {
  const first = await card()
  await command(first.driver, [CTRL_RX, 0, 0])
  await command(first.driver, [CTRL_MAC, 0, ...table(OTHER), ...table()])
  await command(first.driver, [CTRL_MAC, 1, ...bytesOf('52:54:00:00:00:09')])
  const saved: unknown = JSON.parse(JSON.stringify(first.net.save()))
  const second = await card()
  second.net.restore(saved as never)
  expect(second.net.save()).toEqual(saved)
  expect(second.net.mac).toBe('52:54:00:00:00:09')
  for (const wrong of [
    { version: 3 },
    { announcing: 1 },
    { mac: [1] },
    { queuePairs: 2 },
    { modes: 64 },
    { unicast: Array(66).fill(1) },
    { multicast: [2 ** 48] },
  ]) {
    expectRefusal(() => second.net.restore({ ...(saved as object), ...wrong } as never), 'ERR_KVM_INVALID_STATE')
  }
  expect(second.net.save()).toEqual(saved)
})

test('wrong options', () => {
  const backend = new NetCallback(() => undefined)
  for (const wrong of [
    { mac: '52:54:00:00:00' },
    { mac: '00:00:00:00:00:00' },
    { mac: MULTICAST },
    { mtu: 67 },
    { mtu: 65536 },
    { queuePairs: 0 },
    { queuePairs: 65 },
    { queueSize: 3 },
    { checkSource: 1 },
    { onLink: 1 },
    { speed: 1 },
  ]) {
    expectRefusal(() => new Net(backend, wrong as never), 'ERR_KVM_INVALID_ARGUMENT')
  }
  for (const wrong of [undefined, {}]) expectRefusal(() => new Net(wrong as never), 'ERR_KVM_INVALID_ARGUMENT')
  expect(new Net(backend).mac).toMatch(/^52:54:00(:[0-9a-f]{2}){3}$/)
})
