import { describe, expect, test } from 'vitest'

import {
  buffer,
  device,
  eisaId,
  integer,
  name,
  nameString,
  packageOf,
  scope,
  string,
} from '../../../../lib/platform/acpi/aml.js'

describe('encodings of ACPI 6.5, chapter 20', () => {
  test('integers take as few bytes as they need', () => {
    expect([0, 1, 2, 0xff, 0x100, 0xffff].map(integer)).toEqual([
      [0],
      [1],
      [0x0a, 2],
      [0x0a, 0xff],
      [0x0b, 0, 1],
      [0x0b, 0xff, 0xff],
    ])
    expect(integer(0x1_0000)).toEqual([0x0c, 0, 0, 1, 0])
    expect(integer(2 ** 32)).toEqual([0x0e, 0, 0, 0, 0, 1, 0, 0, 0])
  })

  test('names', () => {
    const text = (path: string) => Buffer.from(nameString(path)).toString('latin1')
    expect(text('COM1')).toBe('COM1')
    expect(text('\\_S5')).toBe('\\_S5_')
    expect(text('\\_SB.COM1')).toBe('\\\x2e_SB_COM1')
    expect(text('_SB.PCI0.ISA')).toBe('\x2f\x03_SB_PCI0ISA_')
    for (const bad of ['', 'TOOLONG', 'a', '1A', 'A..B']) expect(() => nameString(bad)).toThrow(RangeError)
  })

  test('an EISA identifier', () => {
    expect(eisaId('PNP0501')).toEqual([0x0c, 0x41, 0xd0, 0x05, 0x01])
    expect(() => eisaId('QEMU0001')).toThrow(RangeError)
  })

  test('a length counts itself, in one to three bytes', () => {
    const lengths = [60, 61, 4091, 4092].map((size) => packageOf([new Array<number>(size).fill(0)]))
    expect(lengths.map((aml) => aml.slice(1, 4))).toEqual([
      [62, 1, 0],
      [63, 1, 0],
      [0x4e, 0xff, 1],
      [0x4f, 0xff, 1],
    ])
    expect(packageOf([new Array<number>(4093).fill(0)]).slice(1, 5)).toEqual([0x81, 0x00, 0x01, 1])
    expect(scope('\\_SB', [device('D', [name('_UID', integer(1))])])).toHaveLength(2 + 5 + 3 + 4 + 6)
    expect(buffer([1, 2])).toEqual([0x11, 5, 0x0a, 2, 1, 2])
    expect(string('ab')).toEqual([0x0d, 0x61, 0x62, 0])
    expect(() => string('é')).toThrow(RangeError)
    expect(() => packageOf(new Array<number[]>(256).fill([0]))).toThrow(RangeError)
  })
})
