// Configuration space of a function, as a guest sees it: identity, command and status, BARs.
import { describe, expect, test } from 'vitest'

import type { PciDevice } from '../../../lib/pci/index.js'
import { accesses, byPorts, ECAM, IDENTITY, pciBus, Registers16 } from './pci.js'

const COMMAND = 4
const BAR0 = 0x10

describe('identity', () => {
  test('is in the header', () => {
    const test = pciBus()
    const identity = {
      vendor: 0x1af4,
      device: 0x1041,
      class: 0x02_00_00,
      revision: 1,
      subsystemVendor: 0x1234,
      subsystem: 7,
    }
    test.add({ identity })
    const { read } = byPorts(test, 1)
    expect([read(0, 2), read(2, 2), read(8, 1), read(9, 2), read(0xb, 1), read(0x2c, 2), read(0x2e, 2)]).toEqual([
      0x1af4, 0x1041, 1, 0, 2, 0x1234, 7,
    ])
    expect([read(0xe, 1), read(0x34, 1), read(0x3d, 1), read(0x30)]).toEqual([0, 0, 0, 0])
  })

  test('a guest cannot change it', () => {
    const test = pciBus()
    test.add({ identity: IDENTITY })
    const { read, write } = byPorts(test, 1)
    const before = Array.from({ length: 64 }, (_, word) => read(4 * word))
    for (let word = 0; word < 64; word++) write(4 * word, 0xffff_ffff)
    const after = Array.from({ length: 64 }, (_, word) => read(4 * word))
    const changed = after.flatMap((value, word) => (value === before[word] ? [] : [[4 * word, value]]))
    // Command: master, parity and system errors; cache line size; interrupt line.
    expect(changed).toEqual([
      [COMMAND, 0x144],
      [0xc, 0xff],
      [0x3c, 0xff],
    ])
  })
})

describe('BARs', () => {
  const device = (): PciDevice & { low: Registers16; high: Registers16; port: Registers16 } => {
    const [low, high, port] = [new Registers16(0x1000), new Registers16(0x4000), new Registers16(0x20)]
    return {
      ...{ low, high, port, identity: IDENTITY },
      bars: [
        { kind: 'memory', length: 0x1000, device: low },
        { kind: 'memory', length: 0x4000, width: 64, prefetchable: true, device: high },
        { kind: 'port', length: 0x20, device: port },
      ],
    }
  }

  test('have places, as firmware would have given them, and answer there', () => {
    const test = pciBus()
    const made = test.add(device())
    const { read } = byPorts(test, 1)
    expect(made.bars.map(({ index, start }) => [index, start])).toEqual([
      [0, 0xe010_0000],
      [1, 0xe010_4000],
      [3, 0x2000],
    ])
    expect([0, 1, 2, 3, 4].map((bar) => read(BAR0 + 4 * bar))).toEqual([0xe010_0000, 0xe010_400c, 0, 0x2001, 0])
    expect(read(COMMAND, 2)).toBe(3)
    accesses(test.mmio).write(0xe010_0010, 0x1234)
    accesses(test.ports).write(0x2004, 0x5678)
    expect([accesses(test.mmio).read(0xe010_0010), accesses(test.ports).read(0x2004)]).toEqual([0x1234, 0x5678])
  })

  test('say how long they are to who writes ones', () => {
    const test = pciBus()
    test.add(device())
    const { read, write } = byPorts(test, 1)
    write(COMMAND, 0, 2)
    for (let bar = 0; bar < 6; bar++) write(BAR0 + 4 * bar, 0xffff_ffff)
    expect([0, 1, 2, 3, 4, 5].map((bar) => read(BAR0 + 4 * bar))).toEqual([
      0xffff_f000, 0xffff_c00c, 0xffff_ffff, 0xffff_ffe1, 0, 0,
    ])
  })

  test('move, also above 4 GiB, and not while they are switched off', () => {
    const test = pciBus()
    const made = test.add(device())
    const { write } = byPorts(test, 1)
    const { read, write: store } = accesses(test.mmio)
    store(0xe010_4000, 7)
    write(BAR0 + 8, 3)
    write(BAR0 + 4, 0x1_0000)
    expect(made.bars[1]).toMatchObject({ start: 0x3_0001_0000 })
    expect([read(0x3_0001_0000), read(0xe010_4000)]).toEqual([7, 0xffff_ffff])
    write(COMMAND, 1, 2)
    expect(made.bars.map(({ start }) => start)).toEqual([undefined, undefined, 0x2000])
    write(BAR0, 0xf000_0000)
    expect(read(0xf000_0000)).toBe(0xffff_ffff)
    write(COMMAND, 2, 2)
    expect(made.bars.map(({ start }) => start)).toEqual([0xf000_0000, 0x3_0001_0000, undefined])
    expect(read(0x3_0001_0000)).toBe(7)
  })

  test('over one another, over ECAM, at the end of the space: nowhere, and counted; free again, they are there', () => {
    const test = pciBus()
    const [one, other] = [test.add(device()), test.add(device())]
    const first = byPorts(test, 1)
    const second = byPorts(test, 2)
    const start = () => one.bars[0]!.start
    for (const place of [other.bars[0]!.start!, other.bars[1]!.start! + 0x1000, ECAM, ECAM + 0xf_f000]) {
      first.write(BAR0, place)
      expect(start()).toBeUndefined()
    }
    expect(one.bars[0]!.refused).toBe(4)
    first.write(BAR0, 0xffff_ffff)
    first.write(BAR0, 0)
    expect([start(), one.bars[0]!.refused]).toEqual([undefined, 4])
    // Not in the space of 52 bits; a port where there is none; a port where another device is.
    first.write(BAR0 + 8, 0x10_0000)
    first.write(BAR0 + 12, 0x1_0000)
    expect(one.bars.map(({ start: at }) => at)).toEqual([undefined, undefined, undefined])
    first.write(BAR0 + 12, 0xce0)
    expect(one.bars[2]!.start).toBeUndefined()
    // Where the other one is; then that leaves.
    const place = other.bars[0]!.start!
    first.write(BAR0, place)
    second.write(COMMAND, 0, 2)
    expect(start()).toBe(place)
    second.write(COMMAND, 3, 2)
    expect(other.bars[0]!.start).toBeUndefined()
    first.write(COMMAND, 0, 2)
    expect(other.bars[0]!.start).toBe(place)
  })

  test('after a reset they are where they were, whoever has moved whom', () => {
    const test = pciBus()
    const made = [test.add(device()), test.add(device())]
    const places = () => made.map(({ bars }) => bars.map(({ start }) => start))
    const before = places()
    const [first, second] = [byPorts(test, 1), byPorts(test, 2)]
    second.write(COMMAND, 0, 2)
    first.write(BAR0, before[1]![0]!)
    second.write(BAR0, before[0]![0]!)
    second.write(COMMAND, 3, 2)
    expect(places()).not.toEqual(before)
    for (const each of made) void each.reset()
    expect(places()).toEqual(before)
  })
})
