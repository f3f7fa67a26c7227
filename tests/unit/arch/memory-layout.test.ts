import { describe, expect, test } from 'vitest'

import { e820Map, memoryLayout } from '../../../lib/boot/index.js'
import { expectRefusal, NOT_OBJECTS, NOT_WHOLE_NUMBERS } from '../../thrown.js'
import { GIB, MIB } from '../boot/sparse-memory.js'

const BIOS_AREA = { start: 0x9_fc00, size: 0x6_0400, type: 'reserved' }
const LOW = { start: 0, size: 0x9_fc00, type: 'ram' }

describe('RAM and the hole', () => {
  test('what fits below the hole is one stretch', () => {
    for (const size of [MIB, 256 * MIB, 3 * GIB]) {
      expect(memoryLayout(size).ram).toEqual([{ at: 0, size }])
    }
    expect(memoryLayout(256 * MIB).e820).toEqual([LOW, BIOS_AREA, { start: MIB, size: 255 * MIB, type: 'ram' }])
  })

  test('the rest is at 4 GiB, from the first page on', () => {
    expect(memoryLayout(3 * GIB + 4096).ram).toEqual([
      { at: 0, size: 3 * GIB },
      { at: 4 * GIB, size: 4096 },
    ])
    const { ram, e820, hole } = memoryLayout(6 * GIB)
    expect(ram[1]).toEqual({ at: 4 * GIB, size: 3 * GIB })
    expect(hole).toEqual({ start: 3 * GIB, end: 4 * GIB })
    expect(e820).toEqual([
      LOW,
      BIOS_AREA,
      { start: MIB, size: 3 * GIB - MIB, type: 'ram' },
      { start: 4 * GIB, size: 3 * GIB, type: 'ram' },
    ])
  })

  test('exactly 1 MiB leaves only conventional memory', () => {
    expect(memoryLayout(MIB).e820).toEqual([LOW, BIOS_AREA])
  })

  test('a hole of one’s own', () => {
    const hole = { start: 0x8000_0000, end: 4 * GIB }
    expect(memoryLayout(3 * GIB, { hole }).ram).toEqual([
      { at: 0, size: 2 * GIB },
      { at: 4 * GIB, size: GIB },
    ])
  })

  test.each([
    { start: MIB - 4096, end: 4 * GIB },
    { start: 0xfec0_1000, end: 4 * GIB },
    { start: 3 * GIB, end: 4 * GIB - 4096 },
    { start: 3 * GIB, end: 5 * GIB },
    { start: 3 * GIB + 1, end: 4 * GIB },
    { start: 4 * GIB, end: 3 * GIB },
  ])('a hole from $start to $end is refused', (hole) => {
    expectRefusal(() => memoryLayout(4 * GIB, { hole }), 'ERR_KVM_INVALID_ARGUMENT', /hole/)
  })

  test('sizes that are none', () => {
    for (const size of [0, MIB - 4096, MIB + 1, 2 ** 52, ...NOT_WHOLE_NUMBERS] as never[]) {
      expectRefusal(() => memoryLayout(size), 'ERR_KVM_INVALID_ARGUMENT', /ramSize/)
    }
    for (const options of NOT_OBJECTS as never[]) {
      expectRefusal(() => memoryLayout(GIB, options), 'ERR_KVM_INVALID_ARGUMENT', /options/)
    }
  })
})

describe('the memory map', () => {
  test('reserved ranges are cut out of RAM, joined, and sorted', () => {
    const reserved = [
      { start: 8 * MIB, end: 9 * MIB },
      { start: 0xfeff_c000, end: 0xff00_0000 },
      { start: 4 * MIB, end: 5 * MIB },
      { start: 5 * MIB, end: 6 * MIB },
    ]
    expect(memoryLayout(9 * MIB, { reserved }).e820).toEqual([
      LOW,
      BIOS_AREA,
      { start: MIB, size: 3 * MIB, type: 'ram' },
      { start: 4 * MIB, size: 2 * MIB, type: 'reserved' },
      { start: 6 * MIB, size: 2 * MIB, type: 'ram' },
      { start: 8 * MIB, size: MIB, type: 'reserved' },
      { start: 0xfeff_c000, size: 0x4000, type: 'reserved' },
    ])
  })

  test('regions that touch are one stretch', () => {
    const regions = [
      { at: 2 * MIB, size: MIB },
      { at: 0, size: 2 * MIB },
    ]
    expect(e820Map(regions).at(-1)).toEqual({ start: MIB, size: 2 * MIB, type: 'ram' })
  })

  test('RAM that ends below the BIOS area is all there is', () => {
    expect(e820Map([{ at: 0, size: 0x1_0000 }])).toEqual([{ start: 0, size: 0x1_0000, type: 'ram' }, BIOS_AREA])
  })
})
