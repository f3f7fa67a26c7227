// The walk of page tables in software: every paging mode, page size and permission, and what a hostile guest makes of them.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { LinearMemory, type PagingState, translate } from '../../../lib/inspect/index.js'
import { expectRefusal, NOT_UINT64S } from '../../thrown.js'
import { fuzzRuns } from '../fuzz-runs.js'
import { LONG, PAGED, PROTECTED, TestMemory } from './guest.js'

const [PSE, PAE, LA57, NXE] = [0x10n, 0x20n, 0x1000n, 0x800n] as const
const PRESENT = 1n
const [RW, US, PS, NX] = [2n, 4n, 0x80n, 1n << 63n] as const
const ALL = PRESENT | RW | US

const paging = (changes: Partial<PagingState>): PagingState => ({
  cr0: PAGED,
  cr3: 0x1000n,
  cr4: 0n,
  efer: 0n,
  ...changes,
})
const LONG_MODE = paging({ cr4: PAE, efer: LONG })
/** Attributes that nothing restricts. */
const FREE = { mapped: true, writable: true, user: true, executable: true }

describe('without paging', () => {
  test.each([
    [0n, 0],
    [0xffff_ffffn, 0xffff_ffff],
    [0x1_0000_0010n, 0x10],
  ])('0x%x is itself, in 32 bits', (linear, address) => {
    expect(translate(new TestMemory(), paging({ cr0: PROTECTED }), linear)).toEqual({
      ...FREE,
      address,
      pageSize: 4096,
    })
  })
})

describe('32-bit paging', () => {
  const memory = new TestMemory()
    .write32(0x1000 + 4, 0x2000n | ALL) // 0x0040_0000
    .write32(0x2000 + 3 * 4, 0x0001_2000n | ALL) // 0x0040_3000
    .write32(0x1000 + 2 * 4, 0x0080_0000n | ALL | PS) // 0x0080_0000, a large page with PSE
    .write32(0x1000 + 3 * 4, 0x0080_0000n | (0x25n << 13n) | ALL | PS) // one at 37 bits

  test('a page of 4 KiB', () => {
    expect(translate(memory, paging({}), 0x0040_3abcn)).toEqual({ ...FREE, address: 0x1_2abc, pageSize: 4096 })
  })
  test('a page of 4 MiB, with PSE only', () => {
    const large = { ...FREE, address: 0x0092_3456, pageSize: 2 ** 22 }
    expect(translate(memory, paging({ cr4: PSE }), 0x0092_3456n)).toEqual(large)
    expect(translate(memory, paging({}), 0x0092_3456n)).toMatchObject({ mapped: false })
  })
  test('a page of 4 MiB above 4 GiB (PSE-36)', () => {
    const result = translate(memory, paging({ cr4: PSE }), 0x00c0_0010n)
    expect(result).toEqual({ ...FREE, address: 0x25_0080_0010, pageSize: 2 ** 22 })
  })
  test('only the low 32 bits of the address count', () => {
    expect(translate(memory, paging({}), 0xffff_ffff_0040_3abcn)).toMatchObject({ address: 0x1_2abc })
  })
  test('no execute protection', () => {
    expect(translate(memory, paging({ efer: NXE }), 0x0040_3000n)).toMatchObject({ executable: true })
  })
})

describe('PAE', () => {
  const memory = new TestMemory()
    .write64(0x1020 + 3 * 8, 0x2000n | PRESENT) // the PDPT lies at a multiple of 32
    .write64(0x2000 + 8, 0x3000n | ALL)
    .write64(0x3000 + 2 * 8, 0x4000n | ALL | NX)
    .write64(0x2000 + 2 * 8, 0x1_0020_0000n | ALL | PS)
  const registers = paging({ cr3: 0x1020n, cr4: PAE, efer: NXE })

  test('a page of 4 KiB; the PDPT restricts nothing', () => {
    const result = translate(memory, registers, 0xc020_2123n)
    expect(result).toEqual({ ...FREE, executable: false, address: 0x4123, pageSize: 4096 })
  })
  test('a page of 2 MiB above 4 GiB', () => {
    expect(translate(memory, registers, 0xc040_0001n)).toMatchObject({ address: 0x1_0020_0001, pageSize: 2 ** 21 })
  })
  test('a PDPT entry that is not present', () => {
    const problem = 'PDPT entry 0 at 0x1020 is not present'
    expect(translate(memory, registers, 0n)).toEqual({ mapped: false, problem })
  })
})

describe('4 levels', () => {
  const memory = () =>
    new TestMemory()
      .write64(0x1000, 0x2000n | ALL)
      .write64(0x1000 + 511 * 8, 0x2000n | ALL)
      .write64(0x2000, 0x3000n | ALL)
      .write64(0x2000 + 8, 0x4000_0000n | ALL | PS)
      .write64(0x3000, 0x4000n | ALL)
      .write64(0x3000 + 8, 0x60_0000n | ALL | PS | (1n << 12n)) // PAT, not part of the address
      .write64(0x4000 + 5 * 8, 0x7000n | ALL)

  test.each([
    [0x5123n, 0x7123, 4096],
    [0x20_1234n, 0x60_1234, 2 ** 21],
    [0x7fff_ffffn, 0x7fff_ffff, 2 ** 30],
    [0xffff_ff80_0000_5123n, 0x7123, 4096],
  ])('0x%x', (linear, address, pageSize) => {
    expect(translate(memory(), LONG_MODE, linear)).toEqual({ ...FREE, address, pageSize })
  })

  test.each([
    [0x0000_8000_0000_0000n, '0x800000000000 is not canonical'],
    [0xffff_7fff_ffff_ffffn, '0xffff7fffffffffff is not canonical'],
    [0x0000_7fff_ffff_ffffn, 'PML4 entry 255 at 0x17f8 is not present'],
    [0x80_0000_0000n, 'PML4 entry 1 at 0x1008 is not present'],
    [0x6000n, 'PT entry 6 at 0x4030 is not present'],
  ])('0x%x: %s', (linear, problem) => {
    expect(translate(memory(), LONG_MODE, linear)).toEqual({ mapped: false, problem })
  })

  test.each([0x1000, 0x2000, 0x3000, 0x4000 + 5 * 8])('each level restricts: the entry at 0x%x', (at) => {
    const restricted = (bits: bigint) => {
      const changed = memory()
      const entry = new DataView(changed.bytes.buffer).getBigUint64(at, true)
      return translate(changed.write64(at, entry ^ bits), { ...LONG_MODE, efer: LONG | NXE }, 0x5000n)
    }
    expect(restricted(RW)).toMatchObject({ writable: false, user: true, executable: true })
    expect(restricted(US)).toMatchObject({ writable: true, user: false, executable: true })
    expect(restricted(NX)).toMatchObject({ writable: true, user: true, executable: false })
  })

  test('bit 63 means nothing without NXE', () => {
    const changed = memory().write64(0x4000 + 5 * 8, 0x7000n | ALL | NX)
    expect(translate(changed, LONG_MODE, 0x5000n)).toMatchObject({ executable: true })
  })

  test('a PML4 entry maps no page, whatever its bit 7 says', () => {
    const changed = memory().write64(0x1000, 0x2000n | ALL | PS)
    expect(translate(changed, LONG_MODE, 0x5123n)).toMatchObject({ address: 0x7123, pageSize: 4096 })
  })

  test('a PCID, and the bits above 51, are not part of an address', () => {
    const changed = memory().write64(0x4000 + 5 * 8, 0x7000n | ALL | (0x7ffn << 52n))
    expect(translate(changed, { ...LONG_MODE, cr3: 0x1abcn }, 0x5000n)).toMatchObject({ address: 0x7000 })
  })
})

describe('5 levels', () => {
  const registers = { ...LONG_MODE, cr4: PAE | LA57 }
  const memory = new TestMemory()
    .write64(0x1000 + 0x1ff * 8, 0x2000n | ALL)
    .write64(0x2000, 0x3000n | ALL)
    .write64(0x3000, 0x0n | ALL | PS)

  test('the top byte of the address is one more level', () => {
    expect(translate(memory, registers, 0xffff_0000_0012_3456n)).toMatchObject({
      address: 0x12_3456,
      pageSize: 2 ** 30,
    })
  })
  test.each([0x0100_0000_0000_0000n, 0xfeff_ffff_ffff_ffffn])('0x%x is not canonical', (linear) => {
    expect(translate(memory, registers, linear)).toMatchObject({ mapped: false, problem: /canonical/ })
  })
  test('what 4 levels call not canonical is an address here', () => {
    const problem = 'PML5 entry 0 at 0x1000 is not present'
    expect(translate(memory, registers, 0x8000_0000_0000n)).toEqual({ mapped: false, problem })
  })
})

describe('hostile tables', () => {
  test('a table that is its own page table', () => {
    const memory = new TestMemory().write64(0x1000, 0x1000n | ALL)
    expect(translate(memory, LONG_MODE, 0x10n)).toMatchObject({ address: 0x1010, pageSize: 4096 })
  })
  test('tables past the end of memory, and of the address space', () => {
    const memory = new TestMemory(0x2000).write64(0x1000, 0x2000n | ALL)
    expect(translate(memory, LONG_MODE, 0n)).toEqual({
      mapped: false,
      problem: 'PDPT entry 0 at 0x2000 lies outside of memory',
    })
    memory.write64(0x1000, 0x000f_ffff_ffff_f000n | ALL)
    expect(translate(memory, LONG_MODE, 0xff_ffff_ffffn)).toMatchObject({
      mapped: false,
      problem: /0xffffffffff\w+ lies outside/,
    })
    const outside = { ...LONG_MODE, cr3: 2n ** 52n - 4096n }
    expect(translate(memory, outside, 0n)).toMatchObject({ mapped: false, problem: /PML4 entry 0 .* outside/ })
  })

  test('anything in memory and in the registers: an address of 52 bits, or a reason', () => {
    const word = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
    const entry = fc.oneof(
      word,
      fc.nat(15).map((page) => (BigInt(page) << 12n) | 7n),
    )
    fc.assert(
      fc.property(
        fc.array(entry, { maxLength: 64 }),
        fc.tuple(word, entry, word, word),
        word,
        (entries, registers, linear) => {
          const memory = new TestMemory(0x1_0000)
          for (const [index, value] of entries.entries()) memory.write64(((index * 0x0408) % 0x1_0000) & ~7, value)
          const [cr0, cr3, cr4, efer] = registers
          const result = translate(memory, { cr0, cr3, cr4, efer }, linear)
          if (result.mapped)
            expect(result.address).toSatisfy((at: number) => Number.isInteger(at) && at >= 0 && at < 2 ** 52)
          else expect(result.problem).toMatch(/present|outside|canonical/)
          const read = new LinearMemory(memory, { cr0, cr3, cr4, efer }).read(linear, 9000)
          expect(read.bytes.length < 9000).toBe(read.problem !== undefined)
        },
      ),
      fuzzRuns(),
    )
  })

  test('an address that is none is refused', () => {
    for (const linear of NOT_UINT64S) {
      expectRefusal(
        () => translate(new TestMemory(), LONG_MODE, linear as bigint),
        'ERR_KVM_INVALID_ARGUMENT',
        /linear/,
      )
    }
  })
})

describe('reading by linear address', () => {
  const memory = new TestMemory(0x8000)
    .write64(0x1000, 0x2000n | ALL)
    .write64(0x2000, 0x3000n | ALL)
    .write64(0x3000, 0x4000n | ALL)
    .write64(0x4000, 0x6000n | ALL)
    .write64(0x4008, 0x5000n | ALL)
    .write64(0x4010, 0x10_0000n | ALL)
    .put(0x6ffe, [1, 2])
    .put(0x5000, [3, 4])
  const linear = new LinearMemory(memory, LONG_MODE)

  test('across pages that lie elsewhere', () => {
    expect(linear.read(0xffen, 4)).toEqual({ bytes: Uint8Array.of(1, 2, 3, 4) })
    expect(linear.readNumber(0xffen, 4)).toBe(0x0403_0201n)
  })
  test('up to the first byte without memory', () => {
    const { bytes, problem } = linear.read(0x1fffn, 4)
    expect([bytes.length, problem]).toEqual([1, '0x2000 is at 0x100000, where there is no memory'])
    expect(linear.readNumber(0x1fffn, 2)).toBeUndefined()
  })
  test('up to the first byte that is not mapped', () => {
    const problem = '0x3000 is not mapped: PT entry 3 at 0x4018 is not present'
    expect(linear.read(0x3000n, 4)).toEqual({ bytes: new Uint8Array(), problem })
  })
  test('up to the end of the address space', () => {
    expect(new LinearMemory(memory, paging({ cr0: PROTECTED })).read(0xffff_ffffn, 2).problem).toMatch(/no memory/)
    expect(linear.read(2n ** 64n, 1).problem).toMatch(/past the end/)
    expect(linear.read(-1n, 1).problem).toMatch(/past the end/)
  })
})
