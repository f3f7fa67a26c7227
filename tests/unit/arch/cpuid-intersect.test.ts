import { describe, expect, test } from 'vitest'

import { type CpuidEntry, type CpuidRegisters, CpuidTable } from 'node-kvm/arch/x86'
import { expectRefusal } from '../../thrown.js'

const ZEROS = { eax: 0, ebx: 0, ecx: 0, edx: 0 }
const INTEL = { ebx: 0x756e_6547, edx: 0x4965_6e69, ecx: 0x6c65_746e }
const entry = (leaf: number, registers: Partial<CpuidRegisters> = {}, index = 0): CpuidEntry => ({
  ...{ function: leaf, index, flags: leaf === 0xd || leaf === 4 ? 1 : 0 },
  ...{ ...ZEROS, ...registers },
})

// Family 6, models 85 and 106.
const SKYLAKE = 0x5_0654
const ICE_LAKE = 0x6_06a6
const host = (eax: number, last: number, ...rest: CpuidEntry[]) =>
  new CpuidTable([entry(0, { eax: last, ...INTEL }), entry(1, { eax }), entry(7), ...rest])

const both = (a: CpuidTable, b: CpuidTable) => {
  const common = a.intersect(b)
  expect(b.intersect(a).entries().sort(byPlace)).toEqual(common.entries().sort(byPlace))
  return common
}
const byPlace = (a: CpuidEntry, b: CpuidEntry) => a.function - b.function || a.index - b.index

describe('what two hosts have in common', () => {
  test('are the features of both, of the older processor', () => {
    const older = host(SKYLAKE, 0x16).show('sse3', 'avx2', 'mpx')
    const newer = host(ICE_LAKE, 0x1b).show('sse3', 'avx2', 'sha_ni')
    const common = both(newer, older)
    expect(common.features()).toEqual(['sse3', 'avx2'])
    expect(common.leaf(1)?.eax).toBe(SKYLAKE)
    expect(common.leaf(0)?.eax).toBe(0x16)
  })

  test('a feature that is gone on one is gone', () => {
    const common = both(host(SKYLAKE, 7), host(ICE_LAKE, 7).show('fdp_excptn_only', 'zero_fcs_fds', 'smep'))
    expect(common.features()).toEqual(['fdp_excptn_only', 'zero_fcs_fds'])
  })

  test('are leaves that both have, up to the last of both; and the older one’s caches and name', () => {
    const old = host(SKYLAKE, 0xd, entry(4, { eax: 1 }), entry(4, { eax: 2 }, 1)).withBrand('older')
    const young = host(ICE_LAKE, 0x1b, entry(4, { eax: 3 }), entry(0x19, { eax: 1 })).withBrand('newer')
    const common = both(old, young)
    expect(common.brand).toBe('older')
    expect([common.leaf(4)?.eax, common.leaf(4, 1)?.eax, common.leaf(0x19)]).toEqual([1, 2, undefined])
    expect(both(host(SKYLAKE, 6), host(ICE_LAKE, 7)).leaf(7)).toBeUndefined()
  })

  test('are the lesser sizes of addresses, byte by byte', () => {
    const sizes = (eax: number) => entry(0x8000_0008, { eax })
    const common = both(host(SKYLAKE, 7, sizes(0x30_2e)), host(ICE_LAKE, 7, sizes(0x39_2c)))
    expect(common.leaf(0x8000_0008)?.eax).toBe(0x30_2c)
  })

  test('is a frequency or a performance monitor only where it is the same', () => {
    const extras = (frequency: number, counters: number) => [
      entry(0x15, { eax: 2, ebx: frequency }),
      entry(0xa, { eax: counters, edx: 3 }),
    ]
    const common = both(host(SKYLAKE, 0x16, ...extras(168, 4)), host(ICE_LAKE, 0x16, ...extras(184, 8)))
    expect([common.leaf(0x15), common.leaf(0xa)]).toEqual([{ ...ZEROS, eax: 2 }, ZEROS])
    const same = both(host(SKYLAKE, 0x16, ...extras(168, 4)), host(ICE_LAKE, 0x16, ...extras(168, 4)))
    expect(same.leaf(0xa)).toEqual({ ...ZEROS, eax: 4, edx: 3 })
  })

  test('are XSAVE components that lie at the same place, and an area as long as they ask for', () => {
    const xsave = (set: number, ...components: [number, number, number][]) => [
      entry(0xd, { eax: set, ebx: 4096, ecx: 4096 }),
      entry(0xd, { eax: 0xf, ecx: 0x100 }, 1),
      ...components.map(([index, size, offset]) => entry(0xd, { eax: size, ebx: offset }, index)),
    ]
    const a = host(SKYLAKE, 0xd, ...xsave(0x2e7, [2, 256, 576], [5, 64, 1088], [9, 8, 2688]))
    const b = host(ICE_LAKE, 0xd, ...xsave(0x207, [2, 256, 576], [9, 8, 2432]))
    const common = both(a, b)
    // x87, SSE and AVX; PKRU lies elsewhere, the rest only one has.
    expect(common.leaf(0xd)).toEqual({ ...ZEROS, eax: 7, ebx: 832, ecx: 832 })
    expect(common.leaf(0xd, 1)).toEqual({ ...ZEROS, eax: 0xf })
    expect([common.leaf(0xd, 5), common.leaf(0xd, 9)]).toEqual([undefined, undefined])
  })

  test('is everything, of a host with itself', () => {
    const table = host(SKYLAKE, 0x16, entry(0x16, { eax: 5 })).show('avx2')
    expect(both(table, table).entries()).toEqual(table.entries())
  })

  test('two vendors have nothing in common', () => {
    const other = new CpuidTable([entry(0)])
    expectRefusal(() => host(SKYLAKE, 7).intersect(other), 'ERR_KVM_INVALID_ARGUMENT', /GenuineIntel/)
    expectRefusal(() => other.intersect([] as never), 'ERR_KVM_INVALID_ARGUMENT', /CpuidTable/)
  })
})
