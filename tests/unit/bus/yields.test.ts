// Mappings that give way to another device.
import { expect, test } from 'vitest'

import { Bus, type Device, type FastPaths } from '../../../lib/bus/index.js'
import { expectRefusal } from '../../thrown.js'

const YIELDS = { yields: true }
const ports = () => new Bus({ name: 'port', size: 0x1_0000 })
const device = (value: number): Device => ({ read: (_offset, data) => void data.fill(value), write: () => undefined })
const read = (bus: Bus, address: number, length = 1) => {
  const data = new Uint8Array(length)
  bus.read(address, data)
  return [...data]
}
const places = (bus: Bus) => bus.mappings.map(({ start, yields }) => [start, yields])

/** A device with fast paths that notes what becomes of them. */
function fast(value: number, log: string[], told: () => void = () => undefined) {
  return {
    ...device(value),
    attachFastPaths: () => void log.push(`attach ${value}`),
    detachFastPaths: () => {
      log.push(`detach ${value}`)
      told()
    },
  }
}
const PATHS = {} as FastPaths

test('it answers and is listed until another device is mapped over a part of it; then it is gone as a whole', () => {
  const bus = ports()
  const background = bus.map(0x2f8, 8, device(1), YIELDS)
  expect([background.yields, read(bus, 0x2f8, 8)]).toEqual([true, new Array(8).fill(1)])
  expect(places(bus)).toEqual([[0x2f8, true]])
  expect(bus.unclaimed).toEqual({ reads: 0, writes: 0 })
  const mapping = bus.map(0x2f9, 1, device(2))
  expect(places(bus)).toEqual([[0x2f9, false]])
  expect(read(bus, 0x2f8, 3)).toEqual([0xff, 2, 0xff])
  expect(bus.unclaimed.reads).toBe(1)
  mapping.unmap()
  expect(read(bus, 0x2f9)).toEqual([0xff])
})

test.each([
  [0xf8, 9],
  [0x107, 1],
  [0x107, 8],
  [0x100, 8],
  [0xf8, 0x20],
])('a device at %i, %i addresses, takes the place of one at 256, 8 addresses', (start, length) => {
  const bus = ports()
  bus.map(0x100, 8, device(1), YIELDS)
  bus.map(start, length, device(2))
  expect(places(bus)).toEqual([[start, false]])
})

test.each([
  [0xf8, 8],
  [0x108, 8],
])('next to one at 256, 8 addresses, one at %i, %i addresses: both stay', (start, length) => {
  const bus = ports()
  bus.map(0x100, 8, device(1), YIELDS)
  bus.map(start, length, device(2))
  expect(read(bus, 0xff, 10)).toEqual([
    start < 0x100 ? 2 : 0xff,
    ...new Array<number>(8).fill(1),
    start < 0x100 ? 0xff : 2,
  ])
})

test('several give way to one device', () => {
  const bus = ports()
  for (const start of [0x10, 0x20, 0x30, 0x40]) bus.map(start, 8, device(1), YIELDS)
  bus.map(0x17, 0x20, device(2))
  expect(places(bus)).toEqual([
    [0x17, false],
    [0x40, true],
  ])
})

test('of two that yield, the later has the place; over one that does not, none has', () => {
  const bus = ports()
  bus.map(0x10, 8, device(1), YIELDS)
  bus.map(0x14, 8, device(2), YIELDS)
  expect([read(bus, 0x10), read(bus, 0x14)]).toEqual([[0xff], [2]])
  bus.map(0x20, 8, device(3))
  expectRefusal(() => bus.map(0x27, 1, device(4), YIELDS), 'ERR_KVM_BUS_OVERLAP', /0x20 to 0x27/)
  expect(read(bus, 0x27)).toEqual([3])
})

test('where the new device is refused, all that would have given way stay', () => {
  const bus = ports()
  const log: string[] = []
  bus.map(0x100, 8, fast(1, log), YIELDS).attachFastPaths(PATHS)
  bus.map(0x108, 1, device(2))
  expectRefusal(() => bus.map(0x107, 2, device(3)), 'ERR_KVM_BUS_OVERLAP', /overlaps 0x108 to 0x108/)
  expectRefusal(() => bus.map(0x100, 0x1_0000, device(3)), 'ERR_KVM_INVALID_ARGUMENT', /length/)
  expectRefusal(() => bus.map(0x100, 1, {} as Device), 'ERR_KVM_INVALID_ARGUMENT', /device/)
  expectRefusal(() => bus.map(0x100, 1, device(3), { offset: -1 }), 'ERR_KVM_INVALID_ARGUMENT', /offset/)
  for (const yields of [0, 1, 'true', {}] as unknown[] as boolean[]) {
    expectRefusal(() => bus.map(0x100, 1, device(3), { yields }), 'ERR_KVM_INVALID_ARGUMENT', /yields/)
  }
  expect([read(bus, 0x100, 9), log]).toEqual([[...new Array<number>(8).fill(1), 2], ['attach 1']])
})

test('its fast paths are closed once, before map() returns', () => {
  const bus = ports()
  const log: string[] = []
  const background = bus.map(0x100, 8, fast(1, log), YIELDS)
  background.attachFastPaths(PATHS)
  background.replace(fast(2, log))
  const mapping = bus.map(0x104, 1, fast(3, log))
  log.push('mapped')
  mapping.attachFastPaths(PATHS)
  background.unmap()
  expect(log).toEqual(['attach 1', 'detach 1', 'attach 2', 'detach 2', 'mapped', 'attach 3'])
})

test('what is left of its mapping can be unmapped, to no effect, and nothing else', () => {
  const bus = ports()
  const background = bus.map(0x100, 8, device(1), YIELDS)
  bus.map(0x100, 8, device(2))
  background.unmap()
  expectRefusal(() => background.replace(device(3)), 'ERR_KVM_CLOSED', /0x100/)
  expectRefusal(() => background.attachFastPaths(PATHS), 'ERR_KVM_CLOSED', /0x100/)
  expect(read(bus, 0x100)).toEqual([2])
})

test('a device that is unmapped, or gives way, sees that while it closes its fast paths', () => {
  const bus = ports()
  const seen: number[][] = []
  const look = () => seen.push(read(bus, 0x100))
  const background = bus.map(0x100, 8, fast(1, [], look), YIELDS)
  background.attachFastPaths(PATHS)
  look()
  const mapping = bus.map(0x100, 1, fast(2, [], look))
  mapping.attachFastPaths(PATHS)
  mapping.unmap()
  expect(seen).toEqual([[1], [2], [0xff]])
})

test('a device can take the place from inside an access', () => {
  const bus = ports()
  const late: Device = { ...device(1), write: () => void bus.map(0x102, 1, device(2)) }
  bus.map(0x100, 8, late, YIELDS)
  bus.write(0x100, Uint8Array.of(0))
  expect(read(bus, 0x101, 2)).toEqual([0xff, 2])
})

test('where some of what gives way fails, all of it is gone, and nothing has come', () => {
  const bus = ports()
  const log: string[] = []
  const fail = () => {
    throw new Error('will not go')
  }
  for (const [start, made] of [
    [0x100, fast(1, log, fail)],
    [0x102, fast(2, log)],
    [0x104, fast(3, log, fail)],
  ] as const) {
    bus.map(start, 2, made, YIELDS).attachFastPaths(PATHS)
  }
  expectRefusal(() => bus.map(0x100, 6, device(4)), 'ERR_KVM_DEVICE_FAILED', /will not go.*will not go/)
  const detached = log.filter((line) => line.startsWith('detach'))
  expect(detached).toEqual(['detach 1', 'detach 2', 'detach 3'])
  expect([bus.mappings, read(bus, 0x100)]).toEqual([[], [0xff]])
})
