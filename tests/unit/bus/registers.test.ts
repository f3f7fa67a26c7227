import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { type Register, Registers } from '../../../lib/bus/index.js'
import { expectRefusal } from '../../thrown.js'
import { fuzzRuns } from '../fuzz-runs.js'

/** 0: 8 bits, 2: 16 bits, 4: 32 bits, 8: 64 bits; a hole at 1. What is written to them is told. */
function setUp(rest: 'read' | 'zeros' = 'read') {
  const values = { byte: 0x11, half: 0x3322, word: 0x7766_5544, long: 0xffee_ddcc_bbaa_9988n }
  const told: unknown[] = []
  const row = (name: 'byte' | 'half' | 'word', offset: number, width: 1 | 2 | 4): Register => ({
    ...{ name, offset, width, rest },
    read: () => values[name],
    write: (value: number) => {
      told.push([name, value])
      values[name] = value
    },
  })
  const registers = new Registers(
    [
      row('word', 4, 4),
      row('byte', 0, 1),
      row('half', 2, 2),
      {
        ...{ name: 'long', offset: 8, width: 8, rest },
        read: () => values.long,
        write: (value: bigint) => {
          told.push(['long', value])
          values.long = value
        },
      },
    ],
    { empty: 0xff },
  )
  return { registers, values, told }
}

const read = (registers: Registers, offset: number, length: number) => {
  const data = new Uint8Array(length)
  registers.read(offset, data)
  return [...data]
}

test('an access of any width finds whole registers, parts of them, several, and what is between them', () => {
  const { registers } = setUp()
  const all = [0x11, 0xff, ...Array.from({ length: 14 }, (_, index) => 0x22 + 0x11 * index), 0xff, 0xff]
  expect(registers.length).toBe(16)
  for (let offset = 0; offset < all.length; offset++) {
    for (let length = 1; length <= Math.min(8, all.length - offset); length++) {
      expect([offset, read(registers, offset, length)]).toEqual([offset, all.slice(offset, offset + length)])
    }
  }
})

describe('a write', () => {
  test('of a whole register is its value', () => {
    const { registers, told } = setUp()
    void registers.write(0, Uint8Array.of(1))
    void registers.write(2, Uint8Array.of(2, 3))
    void registers.write(4, Uint8Array.of(4, 5, 6, 0xff))
    void registers.write(8, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0xff))
    expect(told).toEqual([
      ['byte', 1],
      ['half', 0x0302],
      ['word', 0xff06_0504],
      ['long', 0xff00_0000_0000_0001n],
    ])
  })

  test('of a part keeps the rest', () => {
    const { registers, told } = setUp()
    void registers.write(5, Uint8Array.of(0xaa, 0xbb))
    void registers.write(3, Uint8Array.of(0xcc))
    void registers.write(15, Uint8Array.of(0))
    expect(told).toEqual([
      ['word', 0x77bb_aa44],
      ['half', 0xcc22],
      ['long', 0x00ee_ddcc_bbaa_9988n],
    ])
  })

  test('of a part has zeros for the rest, where ones would do something', () => {
    const { registers, told } = setUp('zeros')
    void registers.write(5, Uint8Array.of(0xaa))
    void registers.write(12, Uint8Array.of(1, 2, 3, 4))
    expect(told).toEqual([
      ['word', 0xaa00],
      ['long', 0x0403_0201_0000_0000n],
    ])
  })

  test('over several is one to each, lowest first, and none to what is between or behind them', () => {
    const { registers, told } = setUp()
    void registers.write(0, Uint8Array.of(1, 2, 3, 4, 5))
    void registers.write(14, Uint8Array.of(6, 7, 8, 9))
    void registers.write(100, Uint8Array.of(6, 7, 8, 9))
    expect(told).toEqual([
      ['byte', 1],
      ['half', 0x0403],
      ['word', 0x7766_5505],
      ['long', 0x0706_ddcc_bbaa_9988n],
    ])
  })

  test('that takes time is waited for before the next register is written', async () => {
    const told: string[] = []
    const slow = (name: string, offset: number): Register => ({
      ...{ name, offset, width: 1 },
      async write(value: number) {
        await new Promise((done) => setImmediate(done))
        told.push(`${name} ${value}`)
      },
    })
    const registers = new Registers([slow('first', 0), slow('second', 1)])
    const pending = registers.write(0, Uint8Array.of(1, 2))
    expect(told).toEqual([])
    await pending
    expect(told).toEqual(['first 1', 'second 2'])
  })
})

test('what cannot be read is zero, and what cannot be written ignores it', () => {
  const registers = new Registers([{ name: 'nothing', offset: 0, width: 4 }])
  void registers.write(0, Uint8Array.of(1, 2, 3, 4))
  expect(read(registers, 0, 8)).toEqual(Array(8).fill(0))
})

test('whatever the accesses, the registers are what memory would be', () => {
  const access = fc.record({ offset: fc.nat(20), data: fc.uint8Array({ minLength: 1, maxLength: 8 }) })
  fc.assert(
    fc.property(fc.array(access), (accesses) => {
      const { registers } = setUp()
      const model = new Uint8Array(32).fill(0xff)
      model.set(read(registers, 0, 16))
      for (const { offset, data } of accesses) {
        void registers.write(offset, data)
        data.forEach((byte, index) => {
          if (offset + index < 16 && offset + index !== 1) model[offset + index] = byte
        })
        expect(read(registers, offset, data.length)).toEqual([...model.slice(offset, offset + data.length)])
      }
    }),
    fuzzRuns(),
  )
})

test.each([
  [
    'two at one place',
    [
      { offset: 0, width: 4 },
      { offset: 2, width: 2 },
    ],
    /offset of r1.*clear of r0/,
  ],
  ['one that is not aligned', [{ offset: 2, width: 4 }], /multiple of its width/],
  ['a width that no processor has', [{ offset: 0, width: 3 }], /width of r0/],
  ['an offset that is none', [{ offset: -1, width: 1 }], /offset of r0/],
  ['a member that there is not', [{ offset: 0, width: 1, mask: 1 }], /mask/],
])('a table with %s is refused', (_, rows, message) => {
  const named = rows.map((row, index) => ({ name: `r${index}`, ...row })) as unknown as Register[]
  expectRefusal(() => new Registers(named), 'ERR_KVM_INVALID_ARGUMENT', message)
})
