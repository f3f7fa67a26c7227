// The ways to configuration space, and what a guest does with them that it should not.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { expectRefusal } from '../../thrown.js'
import type { PciDevice } from '../../../lib/pci/index.js'
import { fuzzRuns } from '../fuzz-runs.js'
import { accesses, byPorts, ECAM, IDENTITY, pciBus, Registers16 } from './pci.js'

const ID = 0x5678_1234
const function0: PciDevice = { identity: IDENTITY }

describe('by ports', () => {
  test('the address port reads as it was written, without the bits that mean nothing', () => {
    const { read, write } = accesses(pciBus().ports)
    for (const [written, kept] of [
      [0x8000_0000, 0x8000_0000],
      [0xffff_ffff, 0x80ff_fffc],
      [0, 0],
    ] as const) {
      write(0xcf8, written)
      expect(read(0xcf8)).toBe(kept)
    }
  })

  test("bytes and words of the address port are not the mechanism's", () => {
    const { read, write } = accesses(pciBus().ports)
    write(0xcf8, 0x8000_0800)
    for (const [port, width] of [
      [0xcf8, 1],
      [0xcf9, 1],
      [0xcfb, 1],
      [0xcf8, 2],
      [0xcfa, 2],
    ] as const) {
      write(port, 0x12, width)
      expect(read(port, width)).toBe(width === 1 ? 0x77 : 0x7777)
    }
    expect(read(0xcf8)).toBe(0x8000_0800)
  })

  test('the data port has each byte of a register, at any width', () => {
    const test = pciBus()
    test.add(function0)
    const { read, write } = byPorts(test, 1)
    expect([0, 1, 2, 3].map((at) => read(at, 1))).toEqual([0x34, 0x12, 0x78, 0x56])
    expect([read(0, 2), read(1, 2), read(2, 2)]).toEqual([0x1234, 0x7812, 0x5678])
    write(0x3c, 0xaa, 1)
    write(0xd, 0x55, 1)
    expect([read(0x3c, 1), read(0x3c), read(0xc)]).toEqual([0xaa, 0xaa, 0])
  })

  test('without the enable bit, on another bus, and where no function is, ones are read', () => {
    const test = pciBus()
    test.add(function0)
    expect(byPorts(test, 1, 0, 0, 0).read(0)).toBe(0xffff_ffff)
    expect(byPorts(test, 1, 0, 1).read(0)).toBe(0xffff_ffff)
    expect(byPorts(test, 1, 0, 255).read(0)).toBe(0xffff_ffff)
    expect([byPorts(test, 1, 1).read(0), byPorts(test, 2).read(0, 2), byPorts(test, 31, 7).read(0, 1)]).toEqual([
      0xffff_ffff, 0xffff, 0xff,
    ])
    byPorts(test, 1, 0, 0, 0).write(0x3c, 7, 1)
    byPorts(test, 2).write(0x3c, 7, 1)
    expect([byPorts(test, 0).read(0), byPorts(test, 1).read(0), byPorts(test, 1).read(0x3c, 1)]).toEqual([
      0x0d57_8086,
      ID,
      0,
    ])
  })
})

describe('by memory', () => {
  test("each function has 4096 bytes, of which the last are empty; then come the next one's", () => {
    const test = pciBus()
    test.add(function0)
    const { read, write } = accesses(test.mmio)
    const at = ECAM + 0x8000
    expect([read(at), read(at + 1, 2), read(at + 0xfc, 8), read(at + 0x100), read(at + 0xffc)]).toEqual([
      ID,
      0x7812,
      0,
      0,
      0,
    ])
    write(at + 0x100, 0xffff_ffff)
    expect(read(at + 0x100)).toBe(0)
    // Over the border to a function that is not there, and to one that is.
    expect(read(at + 0xffe)).toBe(0xffff_0000)
    expect(read(at - 2)).toBe(0x1234_ffff)
    // The last byte of the bus.
    expect(read(ECAM + 0xf_ffff, 1)).toBe(0xff)
    expect(read(ECAM + 0x10_0000)).toBe(0xffff_ffff)
  })
})

describe('slots', () => {
  test('functions of one slot: function 0 first, and the header says that there are others', () => {
    const test = pciBus()
    expectRefusal(() => test.add(function0, { slot: 4, function: 1 }), 'ERR_KVM_INVALID_ARGUMENT', /function/)
    test.add(function0, { slot: 4 })
    expect(byPorts(test, 4).read(0xe, 1)).toBe(0)
    const second = test.add(function0, { slot: 4, function: 3 })
    expect([0, 3].map((number) => byPorts(test, 4, number).read(0xe, 1))).toEqual([0x80, 0x80])
    void second.reset()
    expect(byPorts(test, 4, 3).read(0xe, 1)).toBe(0x80)
    expectRefusal(() => test.add(function0, { slot: 4, function: 3 }), 'ERR_KVM_BUS_OVERLAP', /00:04\.3/)
  })

  test('there are 31 beside the bridge', () => {
    const test = pciBus()
    for (let slot = 1; slot < 32; slot++) expect(test.add(function0).address.slot).toBe(slot)
    expectRefusal(() => test.add(function0), 'ERR_KVM_NO_RESOURCE', /slot/)
  })

  test('one that is taken off leaves nothing behind', () => {
    const test = pciBus()
    const bar = { kind: 'memory' as const, length: 0x1000, device: new Registers16() }
    const made = test.add({ ...function0, bars: [bar] })
    const start = made.bars[0]!.start!
    test.bus.remove(made)
    expect([byPorts(test, 1).read(0), test.mmio.isFree(start, 0x1000)]).toEqual([0xffff_ffff, true])
  })
})

describe('what cannot be is refused', () => {
  const device = new Registers16()
  test.each<[string, Partial<PciDevice>]>([
    ['vendor', { identity: { ...IDENTITY, vendor: 0xffff } }],
    ['class', { identity: { ...IDENTITY, class: 2 ** 24 } }],
    ['length', { bars: [{ kind: 'memory', length: 24, device }] }],
    ['length', { bars: [{ kind: 'port', length: 512, device }] }],
    ['width', { bars: [{ kind: 'port', length: 16, width: 64, device }] }],
    ['bars', { bars: Array.from({ length: 7 }, () => ({ kind: 'memory' as const, length: 16, device })) }],
    ['bars', { bars: [{ kind: 'memory', length: 16, index: 5, width: 64, device }] }],
    ['vectors', { vectors: 2049 }],
    ['capabilities', { capabilities: [{ id: 9, bytes: new Uint8Array(0xc0) }] }],
    ['writable', { capabilities: [{ id: 9, bytes: new Uint8Array(2), writable: new Uint8Array(1) }] }],
    ['reset', { reset: 5 as never }],
  ])('%s', (name, members) => {
    const test = pciBus()
    expectRefusal(() => test.add({ ...function0, ...members }), 'ERR_KVM_INVALID_ARGUMENT', new RegExp(name))
    expect(test.bus.functions).toHaveLength(1)
  })

  test('a BAR for which there is no room', () => {
    const bars = [{ kind: 'memory' as const, length: 2 ** 31, device }]
    expectRefusal(() => pciBus().add({ ...function0, bars }), 'ERR_KVM_NO_RESOURCE', /2147483648 bytes/)
  })
})

test('whatever a guest does to configuration space, BARs do not overlap and answer where they are, and all can be reset', () => {
  const place = fc.constantFrom(
    0,
    0xe000_0000,
    0xe010_0000,
    0xe010_1000,
    0x2001,
    0x2101,
    0xcf9,
    0xffff_ffff,
    0xfffff000,
  )
  const step = fc.record({
    slot: fc.integer({ min: 0, max: 4 }),
    offset: fc.oneof(fc.nat(0xff), fc.constantFrom(4, 4, 0x10, 0x14, 0x18, 0x1c, 0x42)),
    width: fc.constantFrom(1, 2, 4),
    value: fc.oneof(fc.nat(0xffff_ffff), place, fc.nat(7)),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const test = pciBus()
      const bars: PciDevice['bars'] = [
        { kind: 'memory', length: 0x1000, device: new Registers16(0x1000) },
        { kind: 'memory', length: 0x2000, width: 64, device: new Registers16(0x2000) },
        { kind: 'port', length: 0x100, device: new Registers16(0x100) },
      ]
      const made = [1, 2, 3].map(() => test.add({ ...function0, bars, pin: true, vectors: 2 }))
      const before = made.map((each) => each.bars.map(({ start }) => start))
      for (const { slot, offset, width, value } of steps) {
        byPorts(test, slot).write(offset, value % 2 ** (8 * width), width)
        byPorts(test, slot).read(offset, width)
      }
      const mapped = made.flatMap((each) => each.bars).filter(({ start }) => start !== undefined)
      const own = [...test.mmio.mappings, ...test.ports.mappings].filter(({ name }) => name.startsWith('device'))
      expect(own).toHaveLength(mapped.length)
      for (const each of made) void each.reset()
      expect(made.map((each) => each.bars.map(({ start }) => start))).toEqual(before)
    }),
    fuzzRuns(),
  )
})
