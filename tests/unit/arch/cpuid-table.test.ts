import { describe, expect, test } from 'vitest'

import { type CpuidEntry, type CpuidRegisters, CpuidTable } from 'node-kvm/arch/x86'
import { expectRefusal, NOT_WHOLE_NUMBERS } from '../../thrown.js'

const ZEROS = { eax: 0, ebx: 0, ecx: 0, edx: 0 }
const entry = (leaf: number, registers: Partial<CpuidRegisters> = {}, index = 0, flags = 0): CpuidEntry => ({
  ...{ function: leaf, index, flags },
  ...{ ...ZEROS, ...registers },
})

const AMD = { ebx: 0x6874_7541, edx: 0x6974_6e65, ecx: 0x444d_4163 }
const INTEL = { ebx: 0x756e_6547, edx: 0x4965_6e69, ecx: 0x6c65_746e }

describe('a table', () => {
  test('becomes the entries again that it was made of', () => {
    const entries = [
      entry(0, { eax: 7 }),
      entry(1, { edx: 0xffff_ffff }),
      entry(4, {}, 0, 1),
      entry(4, { eax: 1 }, 1, 1),
    ]
    const table = new CpuidTable(entries)
    expect(table.entries()).toEqual(entries)
    expect([...table]).toEqual(entries)
    expect(table.leaf(1)).toEqual({ ...ZEROS, edx: 0xffff_ffff })
    expect(table.leaf(4, 1)).toEqual({ ...ZEROS, eax: 1 })
    expect([table.leaf(2), table.leaf(4, 2)]).toEqual([undefined, undefined])
  })

  test('an entry whose index does not matter answers for each', () => {
    expect(new CpuidTable([entry(1, { eax: 5 })]).leaf(1, 9)).toMatchObject({ eax: 5 })
  })

  test('is not changed by an edit, nor by what is done to its entries', () => {
    const table = new CpuidTable([entry(1)])
    const edited = table.set(1, 0, { eax: 1 }).show('sse3', 'hypervisor')
    table.entries()[0]!.eax = 9
    expect(table.leaf(1)).toEqual(ZEROS)
    expect(edited.leaf(1)).toEqual({ ...ZEROS, eax: 1, ecx: 0x8000_0001 })
    expect(() => {
      for (const each of table) (each as CpuidEntry).eax = 1
    }).toThrow(TypeError)
  })

  test('registers that are left out of set() keep their values; a new entry says when its index matters', () => {
    const table = new CpuidTable([entry(7, { ebx: 1 }, 0, 1)])
      .set(7, 0, { edx: 2 })
      .set(0xd, 0, {})
      .set(3, 0, { eax: 4 })
    expect(table.entries()).toEqual([entry(7, { ebx: 1, edx: 2 }, 0, 1), entry(0xd, {}, 0, 1), entry(3, { eax: 4 })])
  })

  test('drops a subleaf, a leaf, or what a filter does not keep', () => {
    const table = new CpuidTable([entry(0), entry(4, {}, 0, 1), entry(4, {}, 1, 1), entry(5)])
    const leaves = (some: CpuidTable) => some.entries().map((each) => `${each.function}.${each.index}`)
    expect(leaves(table.drop(4, 1))).toEqual(['0.0', '4.0', '5.0'])
    expect(leaves(table.drop(4))).toEqual(['0.0', '5.0'])
    expect(leaves(table.drop(9))).toEqual(leaves(table))
    expect(leaves(table.filter((each) => each.function < 5))).toEqual(['0.0', '4.0', '4.1'])
  })

  test('takes 256 entries and refuses one more, and two for the same place', () => {
    const many = Array.from({ length: 256 }, (_, index) => entry(index))
    expect(new CpuidTable(many).entries()).toHaveLength(256)
    expectRefusal(() => new CpuidTable([...many, entry(256)]), 'ERR_KVM_INVALID_ARGUMENT', /at most 256/)
    expectRefusal(() => new CpuidTable(many).set(256, 0, {}), 'ERR_KVM_INVALID_ARGUMENT', /at most 256/)
    const twice = [entry(0xd, {}, 1), entry(0xd, {}, 1)]
    expectRefusal(() => new CpuidTable(twice), 'ERR_KVM_INVALID_ARGUMENT', /two for leaf 0xd, index 1/)
  })

  test('refuses what is no entry', () => {
    for (const wrong of [null, undefined, 7, 'x', {}]) {
      expectRefusal(() => new CpuidTable(wrong as never), 'ERR_KVM_INVALID_ARGUMENT', /entries/)
    }
    for (const wrong of [
      null,
      7,
      {},
      { ...entry(0), leaf: 1 },
      ...NOT_WHOLE_NUMBERS.map((eax) => ({ ...entry(0), eax })),
    ]) {
      expectRefusal(() => new CpuidTable([wrong as never]), 'ERR_KVM_INVALID_ARGUMENT', /entries\[0\]/)
    }
    const table = new CpuidTable([])
    for (const wrong of [...NOT_WHOLE_NUMBERS, 2 ** 32]) {
      expectRefusal(() => table.leaf(wrong as never), 'ERR_KVM_INVALID_ARGUMENT', /leaf/)
      expectRefusal(() => table.set(0, wrong as never, {}), 'ERR_KVM_INVALID_ARGUMENT', /index/)
      expectRefusal(() => table.set(0, 0, { edx: wrong as never }), 'ERR_KVM_INVALID_ARGUMENT', /edx/)
      expectRefusal(() => table.drop(wrong as never), 'ERR_KVM_INVALID_ARGUMENT', /leaf/)
    }
    expectRefusal(() => table.set(0, 0, { rax: 1 } as never), 'ERR_KVM_INVALID_ARGUMENT', /no option 'rax'/)
    expectRefusal(() => table.filter(7 as never), 'ERR_KVM_INVALID_ARGUMENT', /keep/)
  })
})

describe('features', () => {
  test('are shown, hidden and listed by name', () => {
    const table = new CpuidTable([entry(1), entry(7)]).show('avx2', 'avx', 'sse3')
    expect(table.features()).toEqual(['sse3', 'avx', 'avx2'])
    expect([table.has('avx2'), table.has('lm')]).toEqual([true, false])
    expect(table.hide('avx2', 'sse3', 'lm').features()).toEqual(['avx'])
  })

  test('a name that there is not is refused with those that are near', () => {
    const table = new CpuidTable([entry(1)])
    for (const call of [() => table.has('axv2' as never), () => table.hide('axv2' as never)]) {
      const error = expectRefusal(call, 'ERR_KVM_INVALID_ARGUMENT', /no CPU feature "axv2"; did you mean avx2/)
      expect(error.operands['near']).toContain('avx2')
    }
    const nothing = 'x'.repeat(100_000)
    for (const name of ['', nothing, 7, null, undefined, '-', '__proto__']) {
      expectRefusal(() => table.show(name as never), 'ERR_KVM_INVALID_ARGUMENT', /no CPU feature/)
    }
  })

  test('a feature of a leaf that the table lacks cannot be shown', () => {
    expectRefusal(
      () => new CpuidTable([]).show('avx2'),
      'ERR_KVM_INVALID_ARGUMENT',
      /avx2 is a bit of leaf 0x7, index 0/,
    )
  })

  test('what AMD says twice is hidden twice, and elsewhere once', () => {
    const leaves = [entry(1, { edx: 0xffff_ffff }), entry(0x8000_0001, { edx: 0xffff_ffff })]
    for (const [vendor, second] of [
      [AMD, 0xffff_fffe],
      [INTEL, 0xffff_ffff],
    ] as const) {
      const table = new CpuidTable([entry(0, vendor), ...leaves]).hide('fpu', 'ss')
      expect(table.leaf(1)?.edx).toBe(0xf7ff_fffe)
      expect(table.leaf(0x8000_0001)?.edx).toBe(second)
    }
  })
})

describe('names', () => {
  test('of vendor, processor and hypervisor', () => {
    const table = new CpuidTable([entry(0, AMD)]).withBrand('A processor').withHypervisor('KVMKVMKVM', 0x4000_0001)
    expect([table.vendor, table.brand]).toEqual(['AuthenticAMD', 'A processor'])
    expect(table.hypervisor).toEqual({ signature: 'KVMKVMKVM', maxLeaf: 0x4000_0001 })
    // "KVMKVMKVM\0\0\0", as the kernel's documentation of KVM's CPUID bits has it.
    expect(table.leaf(0x4000_0000)).toEqual({ eax: 0x4000_0001, ebx: 0x4b4d_564b, ecx: 0x564b_4d56, edx: 0x4d })
    expect(new CpuidTable([]).vendor).toBe('')
    expect(new CpuidTable([]).brand).toBe('')
    expect(new CpuidTable([]).hypervisor).toBeUndefined()
  })

  test('have a greatest length, and are ASCII', () => {
    const table = new CpuidTable([])
    expect(table.withBrand('x'.repeat(47)).brand).toBe('x'.repeat(47))
    expect(table.withHypervisor('twelve chars').hypervisor?.signature).toBe('twelve chars')
    for (const wrong of ['x'.repeat(48), 'ä', 'a\0b', 7, null]) {
      expectRefusal(() => table.withBrand(wrong as never), 'ERR_KVM_INVALID_ARGUMENT', /brand/)
    }
    expectRefusal(() => table.withHypervisor('thirteen char'), 'ERR_KVM_INVALID_ARGUMENT', /signature/)
  })

  test('a guest that is to see no hypervisor gets none of its leaves', () => {
    const leaves = [entry(1, { ecx: 0x8000_0000 }), entry(0x4000_0000), entry(0x4000_0001), entry(0x8000_0000)]
    const table = new CpuidTable(leaves).withoutHypervisor()
    expect(table.entries()).toEqual([entry(1), entry(0x8000_0000)])
  })
})

describe('caches', () => {
  // Leaf 4 of a Skylake-SP: 32 KiB of data, 8 ways, for two threads; and its last level.
  const intel = [
    entry(4, { eax: 0x1c00_4121, ebx: 0x01c0_003f, ecx: 0x3f }, 0, 1),
    entry(4, { eax: 0x1c03_c163, ebx: 0x0280_003f, ecx: 0x7fff, edx: 4 }, 3, 1),
    entry(4, {}, 4, 1),
  ]

  test('of Intel and of AMD', () => {
    const [data, last, ...none] = new CpuidTable(intel).caches()
    expect(data).toEqual({
      ...{ level: 1, type: 'data', size: 32 * 1024, lineSize: 64, partitions: 1, ways: 8, sets: 64 },
      ...{ sharedBy: 2, fullyAssociative: false, inclusive: false },
    })
    expect(last).toMatchObject({ level: 3, type: 'unified', size: 11 * 32768 * 64, sharedBy: 16 })
    expect(none).toEqual([])
    const amd = entry(0x8000_001d, { eax: 0x4163, ebx: 0x03c0_003f, ecx: 0x7fff, edx: 1 }, 3, 1)
    expect(new CpuidTable([entry(4), amd]).caches()).toMatchObject([{ level: 3, size: 32 * 1024 ** 2, ways: 16 }])
  })
})

describe('topology', () => {
  const cache = (leaf: number, level: number) => entry(leaf, { eax: 0x3 | (level << 5) }, level, 1)
  const host = new CpuidTable([
    ...[entry(0, { eax: 0x1f, ...AMD }), entry(1, { ebx: 0xffff_4567, edx: 0 }), cache(4, 1), cache(4, 3)],
    ...[entry(0xb, { eax: 9 }, 0, 1), entry(0x8000_0008, { eax: 0x3030 }), cache(0x8000_001d, 2)],
    ...[cache(0x8000_001d, 3), entry(0x8000_001e, { eax: 7 })],
  ])

  test('two sockets of three cores of two threads: the second core of the second socket, its second thread', () => {
    const table = host.topology({ sockets: 2, cores: 3, threads: 2, apicId: 0b1_01_1 })
    expect(table.leaf(1)).toEqual({ ...ZEROS, ebx: 0x0b06_4567, edx: 1 << 28 })
    // Threads of a core; of a socket: ids, and three cores.
    expect(table.leaf(4, 1)?.eax).toBe(0x23 | (1 << 14) | (2 << 26))
    expect(table.leaf(4, 3)?.eax).toBe(0x63 | (5 << 14) | (2 << 26))
    for (const leaf of [0xb, 0x1f]) {
      expect(table.leaf(leaf, 0)).toEqual({ eax: 1, ebx: 2, ecx: 0x100, edx: 0b1011 })
      expect(table.leaf(leaf, 1)).toEqual({ eax: 3, ebx: 6, ecx: 0x201, edx: 0b1011 })
      expect(table.leaf(leaf, 2)).toEqual({ eax: 0, ebx: 0, ecx: 2, edx: 0b1011 })
    }
    expect(table.leaf(0x8000_0008)).toMatchObject({ eax: 0x3030, ecx: 5 | (3 << 12) })
    expect(table.leaf(0x8000_001d, 2)?.eax).toBe(0x43 | (1 << 14))
    expect(table.leaf(0x8000_001d, 3)?.eax).toBe(0x63 | (5 << 14))
    expect(table.leaf(0x8000_001e)).toEqual({ eax: 0b1011, ebx: 0x101, ecx: 1, edx: 0 })
  })

  test('one vCPU is one core, and what the host said of its own is gone', () => {
    const table = host.topology({ apicId: 0 })
    expect(table.leaf(1)).toEqual({ ...ZEROS, ebx: 0x0001_4567 })
    expect(table.leaf(0xb, 1)).toMatchObject({ eax: 0, ebx: 1 })
    expect(table.has('ht')).toBe(false)
  })

  test('leaves that leaf 0 does not reach are not made', () => {
    const table = new CpuidTable([entry(0, { eax: 0xd })]).topology({ apicId: 0 })
    expect([table.leaf(0xb) !== undefined, table.leaf(0x1f)]).toEqual([true, undefined])
    expect(new CpuidTable([entry(0, { eax: 7 })]).topology({ apicId: 0 }).entries()).toHaveLength(1)
  })

  test('255 cores do not run into the fields beside theirs', () => {
    const table = host.topology({ cores: 300, apicId: 299 })
    expect(table.leaf(1)?.ebx).toBe(0x2bff_4567)
    expect(table.leaf(4, 1)?.eax).toBe((0x23 | (0x3f << 26)) >>> 0)
  })

  test('an id that no thread has is refused', () => {
    for (const apicId of [0b011_0, 0b100_0, 6, ...NOT_WHOLE_NUMBERS]) {
      expectRefusal(() => host.topology({ cores: 3, threads: 2, apicId: apicId as never }), 'ERR_KVM_INVALID_ARGUMENT')
    }
    expectRefusal(() => host.topology({ cores: 0, apicId: 0 }), 'ERR_KVM_INVALID_ARGUMENT', /topology.cores/)
    expectRefusal(() => host.topology({ dies: 2, apicId: 0 } as never), 'ERR_KVM_INVALID_ARGUMENT', /dies/)
  })
})
