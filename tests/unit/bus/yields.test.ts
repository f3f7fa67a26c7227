// Mappings that give way to another device.
import { expect, test } from 'vitest'

import { Bus, type Device } from '../../../lib/bus/index.js'
import { expectRefusal } from '../../thrown.js'

const YIELDS = { yields: true }
const ports = () => new Bus({ name: 'port', size: 0x1_0000 })
const device = (value: number): Device => ({ read: (_offset, data) => void data.fill(value), write: () => undefined })
const read = (bus: Bus, address: number, length = 1) => {
  const data = new Uint8Array(length)
  void bus.read(address, data)
  return [...data]
}
const places = (bus: Bus) => bus.mappings.map(({ start, yields }) => [start, yields])

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
  bus.map(0x100, 8, device(1), YIELDS)
  bus.map(0x108, 1, device(2))
  expectRefusal(() => bus.map(0x107, 2, device(3)), 'ERR_KVM_BUS_OVERLAP', /overlaps 0x108 to 0x108/)
  expectRefusal(() => bus.map(0x100, 0x1_0000, device(3)), 'ERR_KVM_INVALID_ARGUMENT', /length/)
  expectRefusal(() => bus.map(0x100, 1, {} as Device), 'ERR_KVM_INVALID_ARGUMENT', /device/)
  expectRefusal(() => bus.map(0x100, 1, device(3), { offset: -1 }), 'ERR_KVM_INVALID_ARGUMENT', /offset/)
  for (const yields of [0, 1, 'true', {}] as unknown[] as boolean[]) {
    expectRefusal(() => bus.map(0x100, 1, device(3), { yields }), 'ERR_KVM_INVALID_ARGUMENT', /yields/)
  }
  expect(read(bus, 0x100, 9)).toEqual([...new Array<number>(8).fill(1), 2])
})

test('what is left of its mapping can be unmapped, to no effect, and nothing else', () => {
  const bus = ports()
  const background = bus.map(0x100, 8, device(1), YIELDS)
  bus.map(0x100, 8, device(2))
  background.unmap()
  expectRefusal(() => background.replace(device(3)), 'ERR_KVM_CLOSED', /0x100/)
  expect(read(bus, 0x100)).toEqual([2])
})

test('a device can take the place from inside an access', () => {
  const bus = ports()
  const late: Device = { ...device(1), write: () => void bus.map(0x102, 1, device(2)) }
  bus.map(0x100, 8, late, YIELDS)
  void bus.write(0x100, Uint8Array.of(0))
  expect(read(bus, 0x101, 2)).toEqual([0xff, 2])
})
