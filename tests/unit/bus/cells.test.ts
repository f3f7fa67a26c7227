// Cells: what a device says of its registers, and where a bus has that take effect.
import { describe, expect, test } from 'vitest'

import { BankCell, Bus, type Cell, type CellHome, CounterCell, type Device, ValueCell } from '../../../lib/bus/index.js'
import { expectRefusal, NOT_OBJECTS, NOT_UINT64S, NOT_WHOLE_NUMBERS } from '../../thrown.js'
import { bankPlace } from '../devices/access.js'

/** A home that notes what is mapped there. */
function home() {
  const mapped: { at: unknown; offsets: number[]; post: (offset: number, data: Uint8Array) => void }[] = []
  const cells: CellHome & { closed: boolean; full: boolean } = {
    closed: false,
    full: false,
    mapCells(at, given: readonly Cell[], post) {
      if (cells.full) throw new Error('full')
      const entry = { at, offsets: given.map(({ offset }) => offset), post }
      mapped.push(entry)
      return { close: () => void mapped.splice(mapped.indexOf(entry), 1) }
    },
  }
  const list = () => mapped.map(({ at, offsets }) => [at, offsets])
  return { mapped, cells, list, ports: new Bus({ name: 'port', size: 0x1_0000, cells }) }
}

/** A device with cells at these offsets, which notes what is written. */
function device(...offsets: number[]) {
  const written: number[][] = []
  return {
    cells: offsets.map((offset) => new ValueCell({ offset, value: offset })),
    written,
    read: () => undefined,
    write: (offset: number, data: Uint8Array) => void written.push([offset, ...data]),
  }
}

describe('a bus with a home for cells', () => {
  test('maps those of its devices that lie inside, from the device’s offset 0 on, and takes them back', () => {
    const { ports, list } = home()
    const mapping = ports.map(0x100, 4, device(0, 3, 4))
    const part = ports.map(0x200, 2, device(0, 4, 5, 6), { offset: 4 })
    ports.map(0x300, 1, { read: () => undefined, write: () => undefined })
    ports.map(0x301, 1, device())
    expect(list()).toEqual([
      [{ port: 0x100 }, [0, 3]],
      [{ port: 0x1fc }, [4, 5]],
    ])
    mapping.unmap()
    mapping.unmap()
    part.unmap()
    expect(list()).toEqual([])
  })

  test('at addresses; without a home, or where it is closed, devices work the same', () => {
    const { cells, list } = home()
    const mmio = new Bus({ name: 'mmio', size: 2 ** 52, cells })
    mmio.map(0x1000, 4, device(0))
    cells.closed = true
    mmio.map(0x2000, 4, device(0)).unmap()
    new Bus({ name: 'port', size: 4 }).map(0, 4, device(0)).unmap()
    expect(list()).toEqual([[{ address: 0x1000 }, [0]]])
  })

  test('leaves out a device whose first register would lie below the first address', () => {
    const { ports, list } = home()
    ports.map(0x10, 4, device(0x20), { offset: 0x20 })
    expect(list()).toEqual([])
  })

  test('hands posted writes to the device, and says what failed', () => {
    const { ports, mapped } = home()
    const made = device(1)
    ports.map(0x100, 4, made, { offset: 1, name: 'mine' })
    mapped[0]!.post(1, Uint8Array.of(7, 8))
    expect(made.written).toEqual([[1, 7, 8]])
    made.write = () => {
      throw new Error('boom')
    }
    const failed = () => {
      mapped[0]!.post(2, Uint8Array.of(7))
    }
    const error = expectRefusal(failed, 'ERR_KVM_DEVICE_FAILED', /mine/)
    expect(error.operands).toMatchObject({ address: 0x101, offset: 2, length: 1 })
  })

  test('moves them with replace()', () => {
    const { ports, list, cells } = home()
    const first = device(0)
    const mapping = ports.map(0x10, 4, first)
    mapping.replace(device(1, 2))
    expect(list()).toEqual([[{ port: 0x10 }, [1, 2]]])
    mapping.replace({ read: () => undefined, write: () => undefined })
    expect(list()).toEqual([])
    mapping.replace(first)
    cells.full = true
    expect(() => mapping.replace(device(1))).toThrow('full')
  })

  test('where there is no room: nothing is mapped, and what would have given way stays', () => {
    const { ports, list } = home()
    const background = ports.map(0x100, 8, device(0), { yields: true })
    let count = 0
    const picky: Device = {
      ...device(),
      get cells(): readonly Cell[] {
        // When it is mapped, not when it is checked.
        if (++count > 1) throw new Error('no room')
        return []
      },
    }
    expect(() => ports.map(0x104, 1, picky)).toThrow('no room')
    expect([ports.mappings, list()]).toEqual([[background], [[{ port: 0x100 }, [0]]]])
  })

  test('a device takes the place of one that yields, with its cells', () => {
    const { ports, list } = home()
    const background = ports.map(0x100, 8, device(0, 4), { yields: true })
    ports.map(0x104, 1, device(0))
    background.unmap()
    expect(list()).toEqual([[{ port: 0x104 }, [0]]])
  })
})

describe('an index register on a bus', () => {
  const pair = () => {
    const { ports } = home()
    const data = new BankCell({ offset: 1, mask: 0x7f })
    const made = { ...device(), cells: [new ValueCell({ offset: 0, write: 'lazy', chooses: data }), data] }
    const mapping = ports.map(0x70, 2, made)
    return { ports, mapping, made, data, ...bankPlace(data) }
  }

  test.each([
    ['the index', 0x70, [4], true],
    ['both', 0x70, [4, 5], true],
    ['the data', 0x71, [5], false],
  ])('is forgotten when a write that was not posted reaches %s', (_, address, bytes, forgotten) => {
    const { ports, made, data, place } = pair()
    data.set(4, 0x44)
    place.chosen = 4
    void ports.write(address, Uint8Array.from(bytes))
    expect([data.chosen, made.written]).toEqual([forgotten ? undefined : 4, [[address - 0x70, ...bytes]]])
  })

  test('is told before the cells go: the device may not have heard of it', () => {
    const { mapping, made, place } = pair()
    place.chosen = 9
    mapping.unmap()
    expect(made.written).toEqual([[0, 9]])
  })
})

describe('a cell', () => {
  const refused = (call: () => unknown, name: RegExp) => {
    expectRefusal(call, 'ERR_KVM_INVALID_ARGUMENT', name)
  }

  test('keeps what it is told', () => {
    const cell = new ValueCell({ offset: 1, width: 2, write: 'lazy', whole: true, value: 0xffff })
    expect([cell.offset, cell.width, cell.write, cell.whole, cell.value]).toEqual([1, 2, 'lazy', true, 0xffffn])
    cell.value = 1n
    cell.value = 1
    expect(cell.value).toBe(1n)
    cell.value = undefined
    cell.write = 'post'
    expect([cell.value, cell.write]).toEqual([undefined, 'post'])
  })

  test('refuses what is not possible, and stays', () => {
    const cell = new ValueCell({ offset: 0, width: 2, value: 7 })
    for (const value of [
      ...NOT_UINT64S.filter((each) => each !== undefined && !Number.isSafeInteger(each)),
      -1,
      0x1_0000,
    ]) {
      refused(() => (cell.value = value as never), /value/)
      refused(() => new ValueCell({ offset: 0, width: 2, value: value as never }), /value/)
    }
    for (const write of [undefined, null, 1, 'posted']) refused(() => (cell.write = write as never), /write/)
    expect([cell.value, cell.write]).toEqual([7n, 'exit'])
    const wide = new ValueCell({ offset: 0, width: 9, write: 'post' })
    refused(() => (wide.value = 1), /value/)
  })

  test('has checked options', () => {
    const kinds = [
      (options: object) => new ValueCell({ offset: 0, ...options }),
      (options: object) => new CounterCell({ offset: 0, frequency: 1, bits: 8, ...options }),
      (options: object) => new BankCell({ offset: 0, mask: 1, ...options }),
    ]
    for (const make of kinds) {
      for (const value of NOT_WHOLE_NUMBERS) refused(() => make({ offset: value }), /offset/)
      refused(() => make({ ofset: 1 }), /ofset/)
      refused(() => make({ write: 'no' }), /write/)
    }
    for (const make of kinds.slice(0, 2)) {
      for (const width of [0, -1, 1.5, '1']) refused(() => make({ width }), /width/)
      for (const whole of [0, 'true']) refused(() => make({ whole }), /whole/)
    }
    for (const value of NOT_OBJECTS) refused(() => new ValueCell(value as never), /options/)
    for (const chooses of [null, 1, {}, new ValueCell({ offset: 1 })]) {
      refused(() => new ValueCell({ offset: 0, chooses: chooses as never }), /chooses/)
    }
  })
})

describe('a counter', () => {
  const MAX_FREQUENCY = 10_000_000_000
  const make = (options: object) => new CounterCell({ offset: 0, width: 4, frequency: 1, bits: 8, ...options })

  test('starts anew when it is set', () => {
    const cell = make({ frequency: MAX_FREQUENCY, bits: 32, value: 0xffff_ffffn, epoch: 5n })
    expect(cell.start).toEqual({ frequency: MAX_FREQUENCY, bits: 32, value: 0xffff_ffffn, epoch: 5n })
    cell.set(1n, 2n)
    expect(cell.start).toMatchObject({ value: 1n, epoch: 2n })
  })

  test('refuses what is not possible', () => {
    const refused = (call: () => unknown, name: RegExp) => {
      expectRefusal(call, 'ERR_KVM_INVALID_ARGUMENT', name)
    }
    for (const frequency of [0, MAX_FREQUENCY + 1, 1.5, '1']) refused(() => make({ frequency }), /frequency/)
    for (const bits of [0, 33, 1.5, '1']) refused(() => make({ bits }), /bits/)
    refused(() => make({ width: 9 }), /width/)
    refused(() => make({ value: 0x100n }), /value/)
    const cell = make({})
    for (const value of NOT_UINT64S.filter((each) => each !== undefined && each !== null)) {
      refused(() => make({ value }), /value/)
      refused(() => make({ epoch: value }), /epoch/)
      refused(() => {
        cell.set(value as never)
      }, /value/)
      refused(() => {
        cell.set(0n, value as never)
      }, /epoch/)
    }
    refused(() => {
      cell.set(0x100n)
    }, /value/)
  })
})

test('a bank refuses what is not possible', () => {
  const refused = (call: () => unknown, name: RegExp) => {
    expectRefusal(call, 'ERR_KVM_INVALID_ARGUMENT', name)
  }
  for (const mask of [0, 0x80, 1.5, undefined]) refused(() => new BankCell({ offset: 0, mask: mask as never }), /mask/)
  const bank = new BankCell({ offset: 0, mask: 0x7f })
  for (const value of [...NOT_WHOLE_NUMBERS, 0x80]) {
    refused(() => {
      bank.set(value as never, 0)
    }, /index/)
  }
  for (const value of [...NOT_WHOLE_NUMBERS, 0x100]) {
    refused(() => {
      bank.set(0, value as never)
    }, /value/)
  }
  for (const value of NOT_UINT64S.filter((each) => each !== undefined)) {
    refused(() => {
      bank.set(0, 0, value as never)
    }, /until/)
  }
  expect(bank.chosen).toBeUndefined()
  bank.clear()
})
