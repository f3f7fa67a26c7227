// A device for which its guest chooses the place.
import { expect, test } from 'vitest'

import { Bus, type Cell, type CellHome, ValueCell } from '../../../lib/bus/index.js'

const constant = (value: number, ...cells: Cell[]) => ({
  read: (_: number, data: Uint8Array) => data.fill(value),
  write: () => undefined,
  cells,
})
const read = (bus: Bus, address: number) => {
  const data = new Uint8Array(1)
  void bus.read(address, data)
  return data[0]
}

test('is nowhere at first, moves, and goes away', () => {
  const bus = new Bus({ name: 'port', size: 0x100 })
  const region = bus.region(4, constant(7), { name: 'mine' })
  expect([region.start, bus.mappings]).toEqual([undefined, []])
  expect([region.move(0x10), region.start, read(bus, 0x13)]).toEqual([true, 0x10, 7])
  expect(bus.mappings.map(({ name }) => name)).toEqual(['mine'])
  expect([region.move(0x12), read(bus, 0x11), read(bus, 0x15)]).toEqual([true, 0xff, 7])
  expect([region.move(undefined), read(bus, 0x12), region.refused]).toEqual([true, 0xff, 0])
})

test('where there is no place it is nowhere, and that is counted; what yields stays', () => {
  const bus = new Bus({ name: 'port', size: 0x100 })
  bus.map(0x20, 4, constant(1))
  bus.map(0x30, 4, constant(2), { yields: true })
  const region = bus.region(4, constant(7))
  for (const [count, place] of [0x1e, 0x23, 0x30, 0x33, 0xfd, 0x100, 2 ** 53, -1, NaN].entries()) {
    region.move(0)
    expect([place, region.move(place), region.start, region.refused]).toEqual([place, false, undefined, count + 1])
  }
  expect([region.move(0x24), region.move(0xfc), read(bus, 0x30), read(bus, 0x20)]).toEqual([true, true, 2, 1])
})

test('its cells go with it', () => {
  const places: unknown[] = []
  const cells: CellHome = {
    closed: false,
    mapCells: (at) => {
      places.push(at)
      return { close: () => void places.splice(places.indexOf(at), 1) }
    },
  }
  const bus = new Bus({ name: 'mmio', size: 0x1_0000, cells })
  const region = bus.region(4, constant(7, new ValueCell({ offset: 0, value: 7 })))
  expect(places).toEqual([])
  region.move(0x1000)
  region.move(0x2000)
  expect(places).toEqual([{ address: 0x2000 }])
  region.move(undefined)
  expect(places).toEqual([])
})
