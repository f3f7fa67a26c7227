// Addresses and lengths here are a guest's: whatever they are, there is an answer and no exception.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { GuestMemory } from '../../../lib/memory/guest-memory.js'
import { plainMemory } from '../../../lib/memory/plain-memory.js'
import { MemoryRegion } from '../../../lib/memory/region.js'
import { expectRefusal, NOT_WHOLE_NUMBERS } from '../../thrown.js'
import { fuzzRuns } from '../fuzz-runs.js'

const MIB = 2 ** 20

/** 0x1000-0x1fff, right after it 0x2000-0x2fff, a gap, ROM at 0x8000-0x8fff. */
const memory = () =>
  plainMemory({ at: 0x8000, size: 0x1000, readonly: true }, { at: 0x1000, size: 0x1000 }, { at: 0x2000, size: 0x1000 })

const bytes = (length: number) => Uint8Array.from({ length }, (_, index) => index + 1)

test('what is written is read, across regions too', () => {
  const ram = memory()
  for (const at of [0x1000, 0x1ffc, 0x2ff8]) {
    expect(ram.write(at, bytes(8))).toBe(true)
    expect(ram.read(at, 8)).toEqual(bytes(8))
    expect(ram.fill(at + 1, 6, 9)).toBe(true)
    expect(ram.read(at, 8)).toEqual(Uint8Array.of(1, 9, 9, 9, 9, 9, 9, 8))
  }
})

test('where memory is', () => {
  expect(memory().regions).toMatchObject([
    { at: 0x1000, size: 0x1000, readonly: false },
    { at: 0x2000, size: 0x1000, readonly: false },
    { at: 0x8000, size: 0x1000, readonly: true },
  ])
})

const OUTSIDE: readonly [string, number, number][] = [
  ['before the first byte', 0xfff, 1],
  ['one byte more than there are', 0x1000, 0x2001],
  ['past the last byte', 0x3000, 1],
  ['a hole in the middle', 0x2ff0, 0x6000],
  ['an address past 2^52', 2 ** 52, 4],
  ['an address that no number has exactly', 2 ** 64 - 1, 4],
  ['all of 64 bits', 0x1000, 2 ** 64],
  ['a negative length', 0x1000, -1],
  ['no length at all', 0x1000, NaN],
]

test.each(OUTSIDE)('outside: %s', (_, at, length) => {
  const ram = memory()
  expect([ram.read(at, length), ram.slices(at, length, 'read'), ram.slices(at, length, 'write')]).toEqual(
    Array(3).fill(undefined),
  )
  expect(ram.fill(at, length, 1)).toBe(false)
  if (length > 0 && length < MIB) expect(ram.write(at, bytes(length))).toBe(false)
  expect([ram.read(0x1000, 0x2000), ram.read(0x8000, 0x1000)]).toEqual([new Uint8Array(0x2000), new Uint8Array(0x1000)])
})

test('ROM can be read, and not written', () => {
  const rom = memory()
  expect(rom.read(0x8000, 2)).toEqual(new Uint8Array(2))
  expect([rom.write(0x8000, bytes(1)), rom.fill(0x8fff, 1, 1), rom.slices(0x8000, 1, 'write')]).toEqual([
    false,
    false,
    undefined,
  ])
  expect([rom.storeUint16(0x8000, 1), rom.storeUint32(0x8000, 1)]).toEqual([false, false])
  expect([rom.slices(0x8000, 1, 'read'), rom.loadUint16(0x8000), rom.loadUint32(0x8ffc)]).toEqual([
    [new Uint8Array(1)],
    0,
    0,
  ])
})

test('slices are the memory itself, in the pieces that it has', () => {
  const ram = memory()
  const [low, high] = ram.slices(0x1ffe, 4, 'write') ?? []
  low?.set([1, 2])
  high?.set([3, 4])
  expect([low?.length, high?.length, ram.read(0x1ffe, 4)]).toEqual([2, 2, bytes(4)])
  expect(ram.slices(0x1000, 0, 'read')).toEqual([])
})

test('a large region is seen through windows, and a piece ends with its window', () => {
  const ram = plainMemory({ at: 0, size: 64 * MIB })
  expect(ram.write(16 * MIB - 2, bytes(4))).toBe(true)
  expect(ram.slices(16 * MIB - 2, 4, 'read')).toEqual([Uint8Array.of(1, 2), Uint8Array.of(3, 4)])
  expect(ram.loadUint32(16 * MIB)).toBe(0x0403)
})

test('a slice whose buffer is taken away disturbs nobody', () => {
  const ram = memory()
  const [slice] = ram.slices(0x1000, 4, 'write') ?? []
  structuredClone(slice?.buffer, { transfer: [slice?.buffer as ArrayBuffer] })
  expect([slice?.length, ram.write(0x1000, bytes(4)), ram.read(0x1000, 4), ram.loadUint16(0x1000)]).toEqual([
    0,
    true,
    bytes(4),
    0x0201,
  ])
})

describe('values', () => {
  test('are little-endian', () => {
    const ram = memory()
    expect([ram.storeUint16(0x1002, 0x1234), ram.storeUint32(0x2ffc, 0xfedc_ba98)]).toEqual([true, true])
    expect([ram.read(0x1002, 2), ram.read(0x2ffc, 4)]).toEqual([
      Uint8Array.of(0x34, 0x12),
      Uint8Array.of(0x98, 0xba, 0xdc, 0xfe),
    ])
    expect([ram.loadUint16(0x1002), ram.loadUint32(0x2ffc)]).toEqual([0x1234, 0xfedc_ba98])
  })

  test.each([0x1001, 0x1003, 0x1fff, 0xffe, 0x3000, 2 ** 52, 2 ** 64, NaN])('are not at %s', (at) => {
    const ram = memory()
    expect([ram.loadUint16(at), ram.storeUint16(at, 1)]).toEqual([undefined, false])
    expect([ram.loadUint32(at - (at % 4) + 2), ram.storeUint32(at - (at % 4) + 2, 1)]).toEqual([undefined, false])
  })

  test('do not go past the end of an odd region', () => {
    const ram = plainMemory({ at: 0, size: 7 })
    expect([ram.loadUint32(0), ram.loadUint32(4), ram.loadUint16(4), ram.loadUint16(6)]).toEqual([
      0,
      undefined,
      0,
      undefined,
    ])
  })
})

test('who tracks writes hears of each one, and not of what did not happen', () => {
  const ram = memory()
  const heard: number[][] = []
  const stop = ram.trackWrites((...write) => heard.push(write))
  ram.write(0x1ffe, bytes(4))
  ram.fill(0x1000, 0x10, 0)
  ram.slices(0x2000, 8, 'write')
  ram.storeUint16(0x1004, 1)
  ram.storeUint32(0x1008, 1)
  const all = [
    [0x1ffe, 4],
    [0x1000, 0x10],
    [0x2000, 8],
    [0x1004, 2],
    [0x1008, 4],
  ]
  expect(heard).toEqual(all)
  ram.write(0x8000, bytes(1))
  ram.write(0, bytes(1))
  ram.write(0x1000, bytes(0))
  ram.slices(0x2000, 8, 'read')
  ram.storeUint16(0x1001, 1)
  stop()
  ram.write(0x1000, bytes(1))
  expect(heard).toEqual(all)
})

test('a region that was removed, and a memory that was closed, are no memory', () => {
  const all = new GuestMemory()
  const page = (at: number) =>
    new MemoryRegion({
      at,
      size: 0x1000,
      backing: { size: 0x1000, buffer: (_, length) => new ArrayBuffer(length) },
      offset: 0,
      readonly: false,
      logDirtyPages: false,
    })
  const [first, second] = [page(0), page(0x1000)]
  all.add(first)
  all.add(second)
  expect(all.dma.storeUint32(0x1000, 5)).toBe(true)
  all.delete(second)
  expect([all.dma.loadUint32(0x1000), all.dma.read(0xffe, 4), all.dma.loadUint32(0)]).toEqual([undefined, undefined, 0])
  all.close()
  expect([all.dma.read(0, 1), all.dma.write(0, bytes(1)), all.dma.regions]).toEqual([undefined, false, []])
})

test('nothing that a guest names throws, and writes and reads agree with a model', () => {
  const address = fc.oneof(
    fc.integer({ min: 0xff0, max: 0x3010 }),
    fc.integer({ min: 0x7ff0, max: 0x9010 }),
    fc.constantFrom(0, 2 ** 52, 2 ** 53, 2 ** 64),
  )
  const step = fc.record({ at: address, length: fc.nat(0x40), value: fc.nat(0xff), kind: fc.nat(4) })
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const ram = memory()
      const model = new Uint8Array(0x2000)
      for (const { at, length, value, kind } of steps) {
        const inside = at >= 0x1000 && at + length <= 0x3000
        const written = new Uint8Array(length).fill(value)
        if (kind === 0 && length > 0) {
          expect(ram.write(at, written)).toBe(inside)
          if (inside) model.set(written, at - 0x1000)
        } else if (kind === 1 && at % 4 === 0) {
          const fits = at >= 0x1000 && at + 4 <= 0x3000
          expect(ram.storeUint32(at, value)).toBe(fits)
          if (fits) model.set([value, 0, 0, 0], at - 0x1000)
        } else if (inside) expect(ram.read(at, length)).toEqual(model.slice(at - 0x1000, at - 0x1000 + length))
      }
    }),
    fuzzRuns(),
  )
})

test("a test's own regions are checked", () => {
  for (const at of [...NOT_WHOLE_NUMBERS, 1, 0x1004, 2 ** 52]) {
    expectRefusal(() => plainMemory({ at: at as number, size: 1 }), 'ERR_KVM_INVALID_ARGUMENT')
  }
  expectRefusal(() => plainMemory({ at: 0, size: 0 }), 'ERR_KVM_INVALID_ARGUMENT')
  expectRefusal(() => plainMemory({ at: 0, size: 0x1001 }, { at: 0x1000, size: 1 }), 'ERR_KVM_MEMORY_OVERLAP')
})
