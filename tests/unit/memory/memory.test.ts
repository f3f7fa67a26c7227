import { describe, expect, test } from 'vitest'

import { GuestMemory } from '../../../lib/memory/guest-memory.js'
import { MemoryRegion, type RegionBacking } from '../../../lib/memory/region.js'
import { expectRefusal, NOT_UINT64S, NOT_WHOLE_NUMBERS } from '../../thrown.js'

/** A region over an ordinary ArrayBuffer. */
function region(at: number, size: number, offset = 0): MemoryRegion {
  const bytes = new ArrayBuffer(size + offset)
  // A real backing hands out a part of its memory without copying; here the part is the whole buffer.
  const backing: RegionBacking = { size: size + offset, buffer: () => bytes }
  return new MemoryRegion({ at, size, backing, offset, readonly: false, logDirtyPages: false })
}

/** 0x1000-0x1fff, right after it 0x2000-0x2fff, a gap, 0x8000-0x8fff. */
function memory(): { all: GuestMemory; low: MemoryRegion; next: MemoryRegion; high: MemoryRegion } {
  const all = new GuestMemory()
  const [high, low, next] = [region(0x8000, 0x1000), region(0x1000, 0x1000), region(0x2000, 0x1000)]
  for (const part of [high, low, next]) all.add(part)
  return { all, low, next, high }
}

test('regions are listed by address, whatever the order in which they came', () => {
  const { all, low, next, high } = memory()
  expect(all.regions).toEqual([low, next, high])
  expect(all.size).toBe(0x3000)
})

describe('accessors', () => {
  const widths = [
    ['Uint8', 1, 0xfe],
    ['Uint16', 2, 0xfedc],
    ['Uint32', 4, 0xfedc_ba98],
    ['Uint64', 8, 0xfedc_ba98_7654_3210n],
  ] as const

  test.each(widths)('%s is little-endian, at the first and the last place, at any alignment', (name, width, value) => {
    const { all, low } = memory()
    for (const target of [all, low]) {
      for (const address of [0x1000, 0x1003, 0x2000 - width]) {
        target.fill(0x1000, 0x1000, 0)
        target[`write${name}`](address, value as never)
        expect(target[`read${name}`](address)).toBe(value)
        const bytes = target.read(address, width)
        expect(bytes.reduce((sum, byte, index) => sum + (BigInt(byte) << BigInt(8 * index)), 0n)).toBe(BigInt(value))
        const sum = target.read(0x1000, 0x1000).reduce((total, byte) => total + byte, 0)
        expect(sum).toBe(bytes.reduce((total, byte) => total + byte, 0)) // and nothing beside it has changed
      }
    }
  })

  test.each(widths.slice(1))('%s crosses from one region into the next at every split', (name, width, value) => {
    for (let before = 1; before < width; before++) {
      const { all, low, next } = memory()
      all[`write${name}`](0x2000 - before, value as never)
      expect(all[`read${name}`](0x2000 - before)).toBe(value)
      const halves = [...low.read(0x2000 - before, before), ...next.read(0x2000, width - before)]
      expect(halves).toEqual([...all.read(0x2000 - before, width)])
    }
  })

  test.each(widths)('%s is refused before the first byte, past the last, and half outside', (name, width, value) => {
    const { all, next } = memory()
    for (const address of [0xfff, 0x3000, 0x3000 - width + 1, 0x8000 - 1]) {
      if (address + width <= 0x3000 && address >= 0x1000) continue // a single byte has no half
      expectRefusal(() => all[`read${name}`](address), 'ERR_KVM_OUTSIDE_MEMORY')
      expectRefusal(() => all[`write${name}`](address, value as never), 'ERR_KVM_OUTSIDE_MEMORY')
    }
    expect(next.read(0x2ff0, 16)).toEqual(new Uint8Array(16)) // a refused write has changed nothing
  })

  test('a region refuses what lies in its neighbour', () => {
    const { low } = memory()
    expectRefusal(() => low.readUint16(0x1fff), 'ERR_KVM_OUTSIDE_MEMORY')
    expectRefusal(() => low.read(0x1fff, 2), 'ERR_KVM_OUTSIDE_MEMORY')
    expectRefusal(() => low.readUint8(0x2000), 'ERR_KVM_OUTSIDE_MEMORY')
  })

  test('values: the smallest and the largest pass, one more is refused', () => {
    const { all } = memory()
    for (const [name, width] of [
      ['Uint8', 1],
      ['Uint16', 2],
      ['Uint32', 4],
    ] as const) {
      const max = 2 ** (8 * width) - 1
      for (const value of [0, max]) {
        all[`write${name}`](0x1000, value)
        expect(all[`read${name}`](0x1000)).toBe(value)
      }
      for (const value of [max + 1, ...NOT_WHOLE_NUMBERS]) {
        expectRefusal(() => all[`write${name}`](0x1000, value as never), 'ERR_KVM_INVALID_ARGUMENT', /value/)
      }
    }
    for (const value of NOT_UINT64S) {
      expectRefusal(() => all.writeUint64(0x1000, value as never), 'ERR_KVM_INVALID_ARGUMENT', /value/)
    }
    expect(all.readUint64(0x1000)).toBe(0xffff_ffffn)
  })

  test('addresses that are no addresses', () => {
    const { all } = memory()
    for (const address of [2 ** 52, ...NOT_WHOLE_NUMBERS] as never[]) {
      const calls = [
        () => all.readUint8(address),
        () => all.readUint64(address),
        () => all.writeUint32(address, 0),
        () => all.read(address, 1),
        () => all.write(address, new Uint8Array(1)),
        () => all.fill(address, 1, 0),
        () => all.view(address, 1),
      ]
      for (const call of calls) expectRefusal(call, 'ERR_KVM_INVALID_ARGUMENT', /address/)
    }
    expectRefusal(() => all.readUint8(2 ** 52 - 1), 'ERR_KVM_OUTSIDE_MEMORY')
  })
})

describe('blocks', () => {
  test('read gives a copy', () => {
    const { all } = memory()
    const copy = all.read(0x1000, 4)
    copy.fill(9)
    expect(all.readUint32(0x1000)).toBe(0)
  })

  test('write, read and fill cross adjacent regions', () => {
    const { all } = memory()
    const bytes = Uint8Array.from({ length: 0x2000 }, (_, index) => index % 251)
    all.write(0x1000, bytes)
    expect(all.read(0x1000, 0x2000)).toEqual(bytes)
    all.fill(0x1fff, 2, 0xaa)
    expect(all.read(0x1ffe, 4)).toEqual(Uint8Array.of(bytes[0xffe]!, 0xaa, 0xaa, bytes[0x1001]!))
  })

  test('a block that reaches into a gap is refused as a whole', () => {
    const { all } = memory()
    expectRefusal(() => all.write(0x2ffe, Uint8Array.of(1, 2, 3)), 'ERR_KVM_OUTSIDE_MEMORY', /0x3000/)
    expectRefusal(() => all.fill(0x2ffe, 3, 1), 'ERR_KVM_OUTSIDE_MEMORY')
    expectRefusal(() => all.fill(0x1000, 2 ** 52, 1), 'ERR_KVM_OUTSIDE_MEMORY')
    expectRefusal(() => all.read(0x2fff, 0x8000), 'ERR_KVM_OUTSIDE_MEMORY')
    expect(all.readUint16(0x2ffe)).toBe(0)
  })

  test('the refusal has the address, the length, the first byte that is missing, and the nearest region', () => {
    const { all, next, high } = memory()
    const tail = expectRefusal(
      () => all.read(0x2ff0, 0x20),
      'ERR_KVM_OUTSIDE_MEMORY',
      /0x2ff0.*0x3000.*0x2000 to 0x2fff/,
    )
    expect(tail.operands).toEqual({ address: 0x2ff0, length: 0x20, missing: 0x3000, nearest: next })
    expect(expectRefusal(() => all.readUint8(0x7fff), 'ERR_KVM_OUTSIDE_MEMORY').operands['nearest']).toBe(high)
    const none = expectRefusal(() => new GuestMemory().readUint8(0), 'ERR_KVM_OUTSIDE_MEMORY', /there is no memory/)
    expect(none.operands['nearest']).toBeUndefined()
  })

  test('lengths that are no lengths', () => {
    const { all } = memory()
    for (const length of NOT_WHOLE_NUMBERS as never[]) {
      expectRefusal(() => all.read(0x1000, length), 'ERR_KVM_INVALID_ARGUMENT', /length/)
      expectRefusal(() => all.view(0x1000, length), 'ERR_KVM_INVALID_ARGUMENT', /length/)
      expectRefusal(() => all.fill(0x1000, length, 0), 'ERR_KVM_INVALID_ARGUMENT', /length/)
    }
    expectRefusal(() => all.read(0x1000, 2 ** 32 + 1), 'ERR_KVM_INVALID_ARGUMENT')
    expectRefusal(() => all.view(0x1000, 0), 'ERR_KVM_INVALID_ARGUMENT')
    expectRefusal(() => all.fill(0x1000, 1, 256), 'ERR_KVM_INVALID_ARGUMENT', /value/)
  })

  test('nothing is read, written and filled without complaint', () => {
    const { all } = memory()
    expect(all.read(0x1000, 0)).toEqual(new Uint8Array(0))
    all.write(0x1000, new Uint8Array(0))
    all.fill(0x1000, 0, 1)
    expect(all.readUint8(0x1000)).toBe(0)
  })

  test('write takes a Uint8Array with an offset into its buffer, shared memory, and a view of guest memory', () => {
    const { all } = memory()
    all.write(0x1000, new Uint8Array(Uint8Array.of(9, 1, 2, 9).buffer, 1, 2))
    expect(all.readUint32(0x1000)).toBe(0x0201)
    const shared = new Uint8Array(new SharedArrayBuffer(2))
    shared.set([3, 4])
    all.write(0x1002, shared)
    expect(all.readUint32(0x1000)).toBe(0x0403_0201)
    all.write(0x1001, all.view(0x1000, 4)) // source and target overlap
    expect(all.read(0x1000, 5)).toEqual(Uint8Array.of(1, 1, 2, 3, 4))
  })

  test('write takes nothing but a Uint8Array', () => {
    const { all } = memory()
    for (const bytes of [[1], 'x', new Uint16Array(1), new ArrayBuffer(1), null, undefined, 1] as never[]) {
      expectRefusal(() => all.write(0x1000, bytes), 'ERR_KVM_INVALID_ARGUMENT', /bytes/)
    }
    const detached = new Uint8Array(1)
    structuredClone(detached.buffer, { transfer: [detached.buffer] })
    expectRefusal(() => all.write(0x1000, detached), 'ERR_KVM_INVALID_ARGUMENT', /detached/)
  })
})

describe('views', () => {
  test('a view is live both ways', () => {
    const { all } = memory()
    const view = all.view(0x1000, 2)
    view[1] = 7
    expect(all.readUint8(0x1001)).toBe(7)
    all.writeUint8(0x1000, 8)
    expect(view[0]).toBe(8)
  })

  test('a view of a whole region, and none across two', () => {
    const { all } = memory()
    expect(all.view(0x1000, 0x1000)).toHaveLength(0x1000)
    const error = expectRefusal(() => all.view(0x1fff, 2), 'ERR_KVM_NOT_CONTIGUOUS', /0x2000/)
    expect(error.operands).toEqual({ address: 0x1fff, length: 2, boundary: 0x2000 })
    expectRefusal(() => all.view(0x2fff, 2), 'ERR_KVM_OUTSIDE_MEMORY')
  })
})

describe('regions that come and go', () => {
  test('a place is free from the byte after one region to the byte before the next', () => {
    const { all } = memory()
    all.checkFree(0x3000, 0x5000)
    all.checkFree(0, 0x1000)
    for (const [at, size] of [
      [0, 0x1001],
      [0x2fff, 1],
      [0x3000, 0x5001],
      [0, 2 ** 52],
      [0x1800, 0x10],
    ] as const) {
      expectRefusal(() => all.checkFree(at, size), 'ERR_KVM_MEMORY_OVERLAP')
    }
  })

  test('a removed region is gone from the whole, and refuses to be used', () => {
    const { all, next } = memory()
    expect(all.readUint8(0x2000)).toBe(0) // the last region found is remembered
    all.delete(next)
    next.remove()
    expectRefusal(() => all.readUint8(0x2000), 'ERR_KVM_OUTSIDE_MEMORY')
    expect(next.removed).toBe(true)
    for (const call of [() => next.readUint8(0x2000), () => next.view(0x2000, 1), () => next.read(0x2000, 0)]) {
      expectRefusal(call, 'ERR_KVM_CLOSED')
    }
  })

  test('closed memory refuses every access, even to nothing', () => {
    const { all, low } = memory()
    all.close()
    const calls = [
      () => all.readUint8(0x1000),
      () => all.writeUint64(0x1000, 0n),
      () => all.read(0x1000, 1),
      () => all.read(0x1000, 0),
      () => all.write(0x1000, new Uint8Array(0)),
      () => all.fill(0x1000, 1, 0),
      () => all.view(0x1000, 1),
    ]
    for (const call of calls) expectRefusal(call, 'ERR_KVM_CLOSED')
    expect([low.removed, all.regions]).toEqual([true, []])
  })
})
