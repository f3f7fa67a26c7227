// A virtio device as a function of PCI: found by its capabilities, driven by hand, also against the rules (virtio 1.2, 4.1).
import { describe, expect, test } from 'vitest'

import type { PciFunction } from '../../../lib/pci/index.js'
import { VirtioPci } from '../../../lib/virtio/pci.js'
import type { VirtioDevice } from '../../../lib/virtio/virtio-device.js'
import { expectRefusal } from '../../thrown.js'
import { accesses, byPorts, pciBus } from '../pci/pci.js'
import { Echo } from './echo.js'
import { SplitQueue } from './mmio-driver.js'

const COMMON = { select: 0x00, driverSelect: 0x08, driver: 0x0c, configVector: 0x10, queues: 0x12, status: 0x14 }
const QUEUE = {
  select: 0x16,
  size: 0x18,
  vector: 0x1a,
  enable: 0x1c,
  off: 0x1e,
  descriptors: 0x20,
  driver: 0x28,
  device: 0x30,
}
const NO_VECTOR = 0xffff
const COMMAND = 4
const ALL = 7

/** The device on a bus, and the places that its capabilities name, by their kind. */
function put(device: VirtioDevice) {
  const bus = pciBus()
  let virtio: VirtioPci | undefined
  const made: PciFunction = bus.add((context) => (virtio = new VirtioPci(device, context)))
  const config = byPorts(bus, 1)
  const places = new Map<number, { at: number; bar: number; offset: number; length: number; multiplier: number }>()
  let msix = 0
  for (let at = config.read(0x34, 1); at !== 0; at = config.read(at + 1, 1)) {
    if (config.read(at, 1) === 0x11) msix = at
    if (config.read(at, 1) !== 9) continue
    const [bar, offset, length] = [config.read(at + 4, 1), config.read(at + 8), config.read(at + 12)]
    places.set(config.read(at + 3, 1), { at, bar, offset, length, multiplier: config.read(at + 16) })
  }
  config.write(COMMAND, ALL, 2)
  const bar = (index: number) => made.bars.find((each) => each.index === index)!
  const part = (kind: number) => {
    const { bar: index, offset } = places.get(kind)!
    return accesses({
      read: (at, data) => bus.mmio.read(bar(index).start! + offset + at, data),
      write: (at, data) => bus.mmio.write(bar(index).start! + offset + at, data),
    })
  }
  return {
    bus,
    made,
    virtio: virtio!,
    config,
    places,
    msix,
    bar,
    common: part(1),
    notify: part(2),
    isr: part(3),
    own: part(4),
  }
}

type Driven = ReturnType<typeof put>

/** The device works, its first queue has 8 descriptors, and its vectors are those. */
function start(device: VirtioDevice, vectors = false) {
  const driven = put(device)
  const { common, config, bus, bar, msix } = driven
  for (const status of [0, 1, 3]) common.write(COMMON.status, status, 1)
  common.write(COMMON.driverSelect, 1)
  common.write(COMMON.driver, 1)
  common.write(COMMON.status, 11, 1)
  if (vectors) {
    const table = accesses(bus.mmio)
    const { start: at } = bar(2)
    for (let vector = 0; vector < 2; vector++) {
      table.write(at! + 16 * vector, 0xfee0_0000)
      table.write(at! + 16 * vector + 8, 0x40 + vector)
      table.write(at! + 16 * vector + 12, 0)
    }
    config.write(msix + 2, 0x8000, 2)
    common.write(COMMON.configVector, 0, 2)
  }
  const queue = new SplitQueue(bus.memory, 0, 8)
  common.write(QUEUE.select, 0, 2)
  common.write(QUEUE.size, 8, 2)
  if (vectors) common.write(QUEUE.vector, 1, 2)
  common.write(QUEUE.descriptors, queue.descriptors)
  common.write(QUEUE.driver, queue.available)
  common.write(QUEUE.device, queue.used)
  common.write(QUEUE.enable, 1, 2)
  common.write(COMMON.status, 15, 1)
  return { ...driven, queue }
}

/** Has `byte` echoed, and kicks. */
function send({ bus, notify, queue }: Driven & { queue: SplitQueue }, byte: number): void {
  bus.memory.write(0x8000, Uint8Array.of(byte))
  queue.writeDescriptor(queue.descriptors, 0, 0x8000, 1, 1, 1)
  queue.writeDescriptor(queue.descriptors, 1, 0x9000, 1, 2)
  queue.makeAvailable(0)
  notify.write(0, 0, 2)
}
const answered = ({ bus }: Driven) => bus.memory.read(0x9000, 1)?.[0]
const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('the function', () => {
  test('says what it is, and where its parts are', () => {
    const { config, places, made, common } = put(new Echo([8, 8, 8]))
    expect([config.read(0), config.read(8, 1), config.read(0x2c, 2)]).toEqual([0x107f_1af4, 1, 0x1af4])
    expect([...places.keys()].sort()).toEqual([1, 2, 3, 4, 5])
    expect(places.get(2)!.multiplier).toBe(4)
    for (const kind of [1, 2, 3, 4]) {
      const { bar, offset, length } = places.get(kind)!
      expect(offset + length).toBeLessThanOrEqual(made.bars.find(({ index }) => index === bar)!.length)
    }
    expect(common.read(COMMON.queues, 2)).toBe(3)
  })

  test('works with messages, a vector for each queue', async () => {
    const driven = start(new Echo([8]), true)
    send(driven, 0x5a)
    await turn()
    expect(answered(driven)).toBe(0x5a)
    expect(driven.bus.sent).toEqual([{ address: 0xfee0_0000, data: 0x41 }])
    expect([driven.isr.read(0, 1), driven.bus.lines.get(17) ?? false]).toEqual([0, false])
  })

  test('works with its line: the ISR says why, and reading it lowers the line', async () => {
    const driven = start(new Echo([8]))
    send(driven, 0x5a)
    await turn()
    expect([answered(driven), driven.bus.lines.get(17)]).toEqual([0x5a, true])
    expect([driven.isr.read(0, 1), driven.isr.read(0, 1), driven.bus.lines.get(17)]).toEqual([1, 0, false])
  })

  test("has a doorbell where each queue's notifications go, wherever the BAR is", () => {
    const { bus, bar, config, places } = start(new Echo([8]))
    const doorbell = () => [...bus.doorbells].map((at) => ('address' in at ? at.address : 0))
    const { offset } = places.get(2)!
    expect(doorbell()).toEqual([bar(0).start! + offset])
    config.write(0x10, 0xf000_0000)
    expect(doorbell()).toEqual([0xf000_0000 + offset])
    config.write(COMMAND, 4, 2)
    expect(doorbell()).toEqual([])
    config.write(COMMAND, ALL, 2)
    expect(doorbell()).toEqual([0xf000_0000 + offset])
  })

  test('can be reached by its configuration space alone; what is not possible there does nothing', () => {
    const { config, places, common } = start(new Echo([8, 8, 8]))
    const { at } = places.get(5)!
    const access = (bar: number, offset: number, length: number) => {
      config.write(at + 4, bar, 1)
      config.write(at + 8, offset)
      config.write(at + 12, length)
    }
    access(0, COMMON.queues, 2)
    expect(config.read(at + 16, 2)).toBe(3)
    access(0, QUEUE.select, 2)
    config.write(at + 16, 2, 2)
    expect(common.read(QUEUE.select, 2)).toBe(2)
    for (const [bar, offset, length] of [
      [1, 0, 4],
      [0, 1, 4],
      [0, 0x4000, 4],
      [0, 0xffff_fffc, 4],
      [0, 0, 3],
      [0, 0, 0],
      [0, 0, 0xffff_ffff],
    ] as const) {
      access(bar, offset, length)
      config.write(at + 16, 0x1234_5678)
      config.read(at + 16)
    }
    expect(common.read(QUEUE.select, 2)).toBe(2)
  })
})

describe('a driver against the rules', () => {
  test('vectors out of range read back as none, under every queue_select', () => {
    const { common } = put(new Echo([8, 8]))
    for (const vector of [3, 4, 0x7fff, NO_VECTOR]) {
      common.write(COMMON.configVector, vector, 2)
      expect(common.read(COMMON.configVector, 2)).toBe(NO_VECTOR)
      for (const select of [0, 1, 2, 3, 0x7fff, 0xffff]) {
        common.write(QUEUE.select, select, 2)
        common.write(QUEUE.vector, vector, 2)
        expect(common.read(QUEUE.vector, 2)).toBe(NO_VECTOR)
      }
    }
  })

  test('every register of every part, at every width and under every queue_select', () => {
    const { bus, bar, common } = put(new Echo([8]))
    const { read, write } = accesses(bus.mmio)
    const start = bar(0).start!
    for (const select of [0, 1, 0xffff]) {
      for (const width of [1, 2, 3, 4, 5, 8]) {
        for (const part of [0, 0xff8, 0x1000, 0x2000, 0x3000, 0x3ff0]) {
          for (let offset = 0; offset < 0x48; offset++) {
            common.write(QUEUE.select, select, 2)
            read(start + part + offset, width)
            write(start + part + offset, 0x0101_0101_0101 % 2 ** (8 * Math.min(width, 6)), width)
          }
        }
      }
    }
    common.write(COMMON.status, 0, 1)
    expect(common.read(COMMON.status, 1)).toBe(0)
  })

  // Two zeros, written there, would have reset it.
  test('a buffer over its own status: the device waits to be reset, and no register was written', async () => {
    const { bus, bar, common, queue, notify } = start(new Echo([8]))
    bus.memory.write(0x8000, Uint8Array.of(0, 0))
    queue.writeDescriptor(queue.descriptors, 0, 0x8000, 2, 1, 1)
    queue.writeDescriptor(queue.descriptors, 1, bar(0).start! + COMMON.status, 2, 2)
    queue.makeAvailable(0)
    notify.write(0, 0, 2)
    await turn()
    expect(common.read(COMMON.status, 1)).toBe(15 | 64)
  })

  test('a used ring in its own registers: the device waits to be reset when it is to start', () => {
    const { bar, common } = put(new Echo([8]))
    for (const status of [1, 3]) common.write(COMMON.status, status, 1)
    common.write(COMMON.driverSelect, 1)
    common.write(COMMON.driver, 1)
    common.write(COMMON.status, 11, 1)
    common.write(QUEUE.descriptors, 0x1000)
    common.write(QUEUE.driver, 0x2000)
    common.write(QUEUE.device, bar(0).start!)
    common.write(QUEUE.enable, 1, 2)
    common.write(COMMON.status, 15, 1)
    expect(common.read(COMMON.status, 1)).toBe(15 | 64)
  })

  // The buffer itself was mapped when the driver had made it available.
  test('bus mastering off in mid-I/O: the rings are not written, and there is no interrupt; after a reset it works again', async () => {
    const echo = new Echo([8])
    echo.hold = true
    const driven = start(echo, true)
    send(driven, 0x5a)
    await turn()
    expect(echo.held).toBe(1)
    driven.config.write(COMMAND, 3, 2)
    const before = driven.bus.effects.length
    echo.release()
    await turn()
    await turn()
    expect(driven.bus.effects.slice(before)).toEqual([])
    expect(driven.bus.memory.loadUint16(driven.queue.used + 2)).toBe(0)
    await driven.made.reset()
    expect(driven.common.read(COMMON.status, 1)).toBe(0)
  })

  test('a reset in mid-I/O: the status reads zero when the device has given all back', async () => {
    const echo = new Echo([8])
    echo.hold = true
    const driven = start(echo)
    send(driven, 0x5a)
    await turn()
    const pending = driven.virtio.write(COMMON.status, Uint8Array.of(0))
    expect(driven.common.read(COMMON.status, 1)).toBe(15)
    echo.release()
    await pending
    expect(driven.common.read(COMMON.status, 1)).toBe(0)
    expect([driven.common.read(QUEUE.enable, 2), driven.common.read(COMMON.configVector, 2)]).toEqual([0, NO_VECTOR])
  })
})

test('its state goes into another one, which works on', async () => {
  const driven = start(new Echo([8]), true)
  send(driven, 1)
  await turn()
  const state = JSON.parse(JSON.stringify(driven.made.save())) as ReturnType<PciFunction['save']>
  const other = put(new Echo([8]))
  other.bus.memory.write(0, driven.bus.memory.read(0, 0x1_0000)!)
  other.made.restore(state)
  expect(other.made.save()).toEqual(state)
  const queue = new SplitQueue(other.bus.memory, 0, 8)
  queue.availableIndex = driven.queue.availableIndex
  send({ ...other, queue }, 7)
  await turn()
  expect(answered(other)).toBe(7)
  expect(other.bus.sent).toEqual([{ address: 0xfee0_0000, data: 0x41 }])
  const damaged = { ...state, device: { ...state.device, vectors: [1, 2, 3] } }
  const before = other.made.save()
  expectRefusal(() => other.made.restore(damaged), 'ERR_KVM_INVALID_STATE')
  expect(other.made.save()).toEqual(before)
})
