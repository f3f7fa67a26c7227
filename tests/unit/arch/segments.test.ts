import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

import {
  bitNames,
  CR0,
  CR4,
  decodeDescriptor,
  EFER,
  encodeDescriptor,
  flatSegment,
  RFLAGS,
  XCR0,
} from 'node-kvm/arch/x86'
import { expectRefusal, NOT_OBJECTS, NOT_UINT64S, NOT_WHOLE_NUMBERS } from '../../thrown.js'

describe('bits by name', () => {
  test('are those of <asm/processor-flags.h>', () => {
    const header = readFileSync('/usr/include/x86_64-linux-gnu/asm/processor-flags.h', 'utf8')
    const registers = { EFLAGS: RFLAGS, CR0, CR4 }
    for (const [prefix, names] of Object.entries<Record<string, bigint>>(registers)) {
      const bits = [...header.matchAll(new RegExp(`^#define X86_${prefix}_(\\w+)_BIT\\s+(\\d+)`, 'gm'))]
      expect(bits.length).toBeGreaterThan(10)
      const known = bits.filter(([, name = '']) => !['FIXED', 'IOPL', 'LAM_SUP'].includes(name))
      expect(names).toMatchObject(Object.fromEntries(known.map(([, name = '', bit]) => [name, 1n << BigInt(bit ?? 0)])))
    }
  })

  test('name what is set in a value, lowest first', () => {
    expect(bitNames(CR0, 0x8000_0031n)).toEqual(['PE', 'ET', 'NE', 'PG'])
    expect(bitNames(EFER, 0xd01n)).toEqual(['SCE', 'LME', 'LMA', 'NXE'])
    expect(bitNames(RFLAGS, 0x246n)).toEqual(['PF', 'ZF', 'IF'])
    expect(bitNames(XCR0, 0x2e7n)).toEqual(['x87', 'SSE', 'AVX', 'opmask', 'ZMM_Hi256', 'Hi16_ZMM', 'PKRU'])
    expect(bitNames(CR4, 0n)).toEqual([])
  })
})

describe('descriptors', () => {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).reverse().toString('hex')
  const task = { ...flatSegment('data', 0x28), base: 0x1234_5678n, limit: 0x67, type: 0b1011, s: 0, g: 0, db: 0 }

  test('of flat segments are those that every operating system has', () => {
    const kinds = ['code16', 'code32', 'code64', 'data'] as const
    expect(kinds.map((kind) => hex(encodeDescriptor(flatSegment(kind, 8))))).toEqual([
      ...['00009b000000ffff', '00cf9b000000ffff', '00af9b000000ffff', '00cf93000000ffff'],
    ])
  })

  test('of system segments have 16 bytes in long mode', () => {
    expect(hex(encodeDescriptor(task))).toBe('12008b3456780067')
    expect(hex(encodeDescriptor(task, { long: true }))).toBe('000000000000000012008b3456780067')
    const high = { ...task, base: 0xffff_8000_1234_5678n }
    expect(hex(encodeDescriptor(high))).toBe('00000000ffff800012008b3456780067')
    expect(decodeDescriptor(encodeDescriptor(high), 0x28)).toEqual(high)
  })

  test('lead back to the segment', () => {
    const odd = { ...flatSegment('code32', 0x1b), base: 0xfedc_ba98n, limit: 0xabcd_efff, dpl: 3, avl: 1 }
    const small = { ...flatSegment('code16', 0xf000), base: 0xf_0000n }
    const absent = { ...task, present: 0, unusable: 1 }
    for (const segment of [odd, small, task, absent, flatSegment('code64', 8), flatSegment('data', 16)]) {
      expect(decodeDescriptor(encodeDescriptor(segment), segment.selector)).toEqual(segment)
    }
  })

  test('that there cannot be are refused', () => {
    const data = flatSegment('data', 8)
    const wrong: [object, RegExp][] = [
      [{ ...data, limit: 0xf_0000 }, /limit must be the last byte of a page/],
      [{ ...data, g: 0, limit: 0x10_0000 }, /segment.limit/],
      [{ ...data, base: 2n ** 32n }, /segment.base/],
      [{ ...data, type: 16 }, /segment.type/],
      [{ ...data, dpl: 4 }, /segment.dpl/],
      [{ ...data, access: 0 }, /no option 'access'/],
      ...NOT_UINT64S.map((base): [object, RegExp] => [{ ...data, base }, /segment.base/]),
      ...NOT_WHOLE_NUMBERS.map((present): [object, RegExp] => [{ ...data, present }, /segment.present/]),
    ]
    for (const [segment, message] of wrong) {
      expectRefusal(() => encodeDescriptor(segment as never), 'ERR_KVM_INVALID_ARGUMENT', message)
    }
    for (const segment of NOT_OBJECTS)
      expectRefusal(() => encodeDescriptor(segment as never), 'ERR_KVM_INVALID_ARGUMENT')
    for (const bytes of [new Uint8Array(7), new Uint8Array(12), [], null]) {
      expectRefusal(() => decodeDescriptor(bytes as never), 'ERR_KVM_INVALID_ARGUMENT', /bytes/)
    }
    expectRefusal(() => flatSegment('code' as never, 8), 'ERR_KVM_INVALID_ARGUMENT', /kind/)
  })
})
