import { describe, expect, test } from 'vitest'

import { hasPvhEntry, loadElf, loadPvh, loadVmlinux, memoryLayout } from '../../../lib/boot/index.js'
import { expectRefusal } from '../../thrown.js'
import { elf, type Field, note, PHYS32_ENTRY, PT_NOTE, type Segment, setField, uint32, vmlinux } from './images.js'
import { expectImageError } from './refusal.js'
import { GIB, MIB, ram, SparseMemory } from './sparse-memory.js'

const code = Uint8Array.of(1, 2, 3, 4)

describe.each([32, 64])('ELF, %i bits', (bits) => {
  const build = (segments: readonly Segment[], entry: number | bigint = 0x10_0000, header: readonly Field[] = []) =>
    elf(segments, { bits, entry, header })
  const load =
    (...args: Parameters<typeof build>) =>
    (memory: SparseMemory) =>
      loadElf(memory, { image: build(...args) })
  const is64 = bits === 64
  const phdr = is64 ? 64 : 52
  const [paddrAt, fileszAt, offsetAt] = is64 ? [24, 32, 8] : [12, 16, 4]
  const phnumAt = is64 ? 56 : 44

  test('segments go to their physical addresses, and what the file has not is zero', () => {
    const memory = ram(16 * MIB)
    memory.fill(0x10_0000, 0x4000, 0xee)
    const { entry, placed } = load([
      { content: code, paddr: 0x10_0000, memsz: 0x20 },
      { content: code, paddr: 0x10_2000 },
      { paddr: 0x10_3000, memsz: 0x10 },
      { paddr: 0x10_0000, memsz: 0 },
      { type: 0x6474_e551, content: code, paddr: 0x10_0000 },
    ])(memory)
    expect(memory.read(0x10_0000, 0x21)).toEqual(Uint8Array.from([...code, ...new Array<number>(0x1c).fill(0), 0xee]))
    expect(memory.read(0x10_2000, 5)).toEqual(Uint8Array.from([...code, 0xee]))
    expect(memory.read(0x10_3000, 0x11)).toEqual(Uint8Array.from([...new Array<number>(0x10).fill(0), 0xee]))
    expect(placed.map(({ name }) => name)).toEqual([
      ...['GDT', ...(is64 ? ['page tables'] : [])],
      ...['segment 0', 'segment 1', 'segment 2'],
    ])
    expect(entry.regs).toEqual({ rip: 0x10_0000n, rflags: 2n })
    expect(entry.sregs).toMatchObject(
      is64 ? { efer: 0x500n, cs: { l: 1 } } : { cr0: 0x11n, efer: 0n, cs: { l: 0, db: 1 } },
    )
  })

  test('a virtual entry is the physical address behind it', () => {
    const vaddr = is64 ? 0xffff_ffff_8000_0000n : 0xc000_0000n
    const { regs } = load([{ content: code, paddr: 0x10_0000, vaddr }], vaddr + 2n)(ram(16 * MIB)).entry
    expect(regs.rip).toBe(0x10_0002n)
  })

  test('an entry in no segment: before the first byte, after the last', () => {
    for (const entry of [0xf_ffff, 0x10_0004, 0]) {
      expectImageError(load([{ content: code }], entry), 'e_entry', 24, /no segment/)
    }
    expect(load([{ content: code }], 0x10_0003)(ram(16 * MIB)).entry.regs.rip).toBe(0x10_0003n)
  })

  test('segments that overlap each other or the structures, or leave RAM', () => {
    const overlapping = (paddr: number) => load([{ content: code }, { content: code, paddr }])
    for (const paddr of [0x10_0000, 0x10_0003, 0xf_fffd]) {
      const field = paddr < 0x10_0000 ? /RAM/ : /overlaps segment 0/
      expectImageError(overlapping(paddr), 'p_paddr', phdr + (is64 ? 56 : 32) + paddrAt, field)
    }
    expect(overlapping(0x10_0004)(ram(16 * MIB)).placed.at(-1)?.start).toBe(0x10_0004)
    const last = 16 * MIB
    expectImageError(load([{ content: code, paddr: last - 3 }]), 'e_entry', 24)
    expectImageError(load([{ content: code, paddr: last - 3 }], last - 3), 'p_paddr', phdr + paddrAt, /RAM/, ram(last))
    expect(load([{ content: code, paddr: last - 4 }], last - 4)(ram(last)).entry.regs.rip).toBe(BigInt(last - 4))
    expectImageError(load([{ content: code, memsz: 0xffff_ffff }]), 'p_paddr', phdr + paddrAt, /RAM/)
  })

  test('the loader’s own structures go where the segments are not', () => {
    const low = [{ content: code }, { paddr: 0x500, memsz: 0x9_0000 }]
    const { placed, entry } = load(low)(ram(16 * MIB))
    expect(placed.map(({ name, start }) => [name, start])).toEqual([
      ['segment 1', 0x500],
      ['GDT', 0x9_0500],
      ...(is64 ? [['page tables', 0x9_1000]] : []),
      ['segment 0', 0x10_0000],
    ])
    expect(entry.sregs.gdt.base).toBe(0x9_0500n)
    if (is64) expect(entry.sregs.cr3).toBe(0x9_1000n)
    // With all of low memory taken, above it.
    expect(load([{ content: code, paddr: 0, memsz: 0x9_fc00 }], 0)(ram(16 * MIB)).entry.sregs.gdt.base).toBe(0x10_0000n)
  })

  test('segments with nothing in the file may say that it lies anywhere', () => {
    const past = { offset: 0xffff_0000, content: new Uint8Array() }
    const empty = [
      { ...past, paddr: 0x10_1000, memsz: 0x10 },
      { ...past, memsz: 0 },
      { ...past, type: PT_NOTE },
    ]
    const { placed } = load([{ content: code }, ...empty])(ram(16 * MIB))
    expect(placed.at(-1)).toEqual({ name: 'segment 1', start: 0x10_1000, size: 0x10 })
  })

  test('segments in any order, of any alignment, without section headers', () => {
    for (const align of [0, 1, 3, 0x20_0000]) {
      const segments = [
        { content: code, paddr: 0x10_2000, align },
        { content: code, align },
      ]
      expect(
        load(segments)(ram(16 * MIB))
          .placed.map(({ name }) => name)
          .slice(-2),
      ).toEqual(['segment 1', 'segment 0'])
    }
  })

  test('physical addresses that are all 0 are none: the virtual ones count', () => {
    const segments = [
      { content: code, paddr: 0, vaddr: 0x10_0000 },
      { content: code, paddr: 0, vaddr: 0x10_1000 },
    ]
    expect(
      load(segments)(ram(16 * MIB))
        .placed.slice(-2)
        .map(({ start }) => start),
    ).toEqual([0x10_0000, 0x10_1000])
  })

  test('the entry is a virtual address first', () => {
    const segments = [
      { content: code, paddr: 0x20_0000, vaddr: 0x10_0000 },
      { content: code, paddr: 0x10_0000, vaddr: 0x80_0000 },
    ]
    expect(load(segments, 0x10_0001)(ram(16 * MIB)).entry.regs.rip).toBe(0x20_0001n)
  })

  test('program headers with room between them', () => {
    const image = build([{ content: code }, { content: code, paddr: 0x10_1000 }])
    const entrySize = is64 ? 56 : 32
    const spaced = new Uint8Array(image.length + 16)
    spaced.set(image.subarray(0, phdr + entrySize))
    spaced.set(image.subarray(phdr + entrySize, phdr + 2 * entrySize), phdr + entrySize + 8)
    spaced[is64 ? 54 : 42] = entrySize + 8
    expect(loadElf(ram(16 * MIB), { image: spaced }).placed.at(-1)?.start).toBe(0x10_1000)
  })

  test('more program headers than e_phnum can say: section 0 has their number', () => {
    const image = build([{ content: code }], undefined, [[phnumAt, 2, 0xffff]])
    const sectionSize = is64 ? 64 : 40
    const withSection = new Uint8Array(image.length + sectionSize)
    withSection.set(image)
    setField(withSection, [is64 ? 40 : 32, is64 ? 8 : 4, image.length])
    setField(withSection, [image.length + (is64 ? 44 : 28), 4, 1])
    expect(loadElf(ram(16 * MIB), { image: withSection }).placed.at(-1)?.start).toBe(0x10_0000)
    setField(withSection, [image.length + (is64 ? 44 : 28), 4, 0xffff_ffff])
    expectImageError((memory) => loadElf(memory, { image: withSection }), 'e_phoff', phdr)
  })

  test('headers of other kinds do not count towards the limit of segments', () => {
    const others = Array.from({ length: 200 }, () => ({ type: 0x6000_0000 }))
    expect(load([...others, { content: code }])(ram(16 * MIB)).placed.at(-1)?.name).toBe('segment 200')
    const many = Array.from({ length: 129 }, (_, index) => ({ content: code, paddr: 0x10_0000 + 16 * index }))
    expect(load(many.slice(1), 0x10_0010)(ram(16 * MIB)).placed.length).toBeGreaterThan(128)
    expectImageError(load(many), 'e_phnum', phnumAt, /more than 128/)
  })

  test('headers that lie', () => {
    const segment = [{ content: code }]
    const cases: [field: string, offset: number, Field][] = [
      ['e_ident', 0, [1, 1, 0x46]],
      ['EI_CLASS', 4, [4, 1, 3]],
      ['EI_CLASS', 4, [4, 1, 0]],
      ['EI_DATA', 5, [5, 1, 2]],
      ['EI_VERSION', 6, [6, 1, 0]],
      ['e_type', 16, [16, 2, 1]],
      ['e_type', 16, [16, 2, 4]],
      ['e_machine', 18, [18, 2, 183]],
      ['e_version', 20, [20, 4, 2]],
      ['e_phentsize', is64 ? 54 : 42, [is64 ? 54 : 42, 2, 0]],
      ['e_phnum', phnumAt, [phnumAt, 2, 0]],
      ['e_phoff', phdr, [phnumAt, 2, 129]],
      // There is no section 0 that would have the number.
      ['e_phnum', phnumAt, [phnumAt, 2, 0xffff]],
      ['e_phoff', phdr, [is64 ? 32 : 28, 4, 0xffff_fff0]],
      ['p_filesz', phdr + fileszAt, [phdr + fileszAt, 4, 5]],
      ['p_offset', phdr + offsetAt, [phdr + offsetAt, 4, 0xffff_ffff]],
      ['e_phnum', phnumAt, [phdr, 4, 6]],
    ]
    for (const [field, offset, change] of cases) {
      // e_phoff is blamed at the offset that it names.
      const at = field === 'e_phoff' && change[0] !== phnumAt ? 0xffff_fff0 : offset
      expectImageError(load(segment, undefined, [change]), field, at)
    }
  })

  test('an image cut off anywhere', () => {
    const image = build([{ content: code }, { content: code, paddr: 0x10_1000 }])
    for (let length = 0; length < image.length; length++) {
      expectRefusal(() => loadElf(ram(16 * MIB), { image: image.subarray(0, length) }), 'ERR_KVM_BOOT_IMAGE')
    }
  })
})

test('64-bit fields past 2^53, and sums that would overflow', () => {
  const load = (segment: Segment) => (memory: SparseMemory) =>
    loadElf(memory, { image: elf([{ content: code, ...segment }]) })
  const [offsetAt, paddrAt, fileszAt, memszAt] = [72, 88, 96, 104]
  expectImageError(load({ offset: 2n ** 64n - 1n }), 'p_offset', offsetAt)
  expectImageError(load({ offset: 2n ** 53n - 1n }), 'p_offset', offsetAt)
  expectImageError(load({ paddr: 2n ** 64n - 2n }), 'p_paddr', paddrAt)
  expectImageError(load({ paddr: 2n ** 53n - 1n, vaddr: 0x10_0000 }), 'e_entry', 24, /above 4 GiB/)
  expectImageError(load({ filesz: 2n ** 63n, memsz: 2n ** 63n }), 'p_filesz', fileszAt)
  expectImageError(load({ memsz: 2n ** 64n - 1n }), 'p_memsz', memszAt)
  expectImageError(load({ memsz: 2n ** 53n - 1n }), 'p_paddr', paddrAt)
})

test('an entry above 4 GiB, where the page tables do not reach', () => {
  const memory = new SparseMemory(memoryLayout(6 * GIB).ram)
  const image = elf([{ content: code, paddr: 0x1_0000_0000 }], { entry: 0x1_0000_0000n })
  expectImageError((target) => loadElf(target, { image }), 'e_entry', 24, /4 GiB/, memory)
})

describe('vmlinux by the 64-bit Linux protocol', () => {
  test('boot_params has a header of its own', () => {
    const memory = ram(64 * MIB)
    const { entry } = loadVmlinux(memory, { kernel: vmlinux(), initrd: code, cmdline: 'quiet', rsdp: 0xe_0000 })
    expect(entry.regs).toEqual({ rip: 0x100_0000n, rsi: 0x1_0000n, rflags: 2n })
    expect(memory.uint16(0x1_01fe)).toBe(0xaa55)
    expect(memory.uint32(0x1_0202)).toBe(0x5372_6448)
    expect(memory.read(0x1_0210, 2)).toEqual(Uint8Array.of(0xff, 1))
    expect([memory.uint32(0x1_0218), memory.uint32(0x1_021c)]).toEqual([64 * MIB - 0x1000, 4])
    expect(memory.text(memory.uint32(0x1_0228))).toBe('quiet')
    expect(memory.uint64(0x1_0070)).toBe(0xe_0000n)
  })

  test('a 32-bit kernel starts by the 32-bit protocol', () => {
    const kernel = elf([{ content: code, vaddr: 0xc010_0000 }], { bits: 32 })
    const { entry } = loadVmlinux(ram(16 * MIB), { kernel })
    expect(entry.regs).toEqual({ rip: 0x10_0000n, rsi: 0x1_0000n, rbp: 0n, rdi: 0n, rbx: 0n, rflags: 2n })
    expect(entry.sregs).toMatchObject({ cr0: 0x11n, efer: 0n, cs: { db: 1, l: 0 } })
  })

  test('a command line past 2047 bytes is refused', () => {
    const long = { kernel: vmlinux(), cmdline: 'x'.repeat(2048) }
    expectImageError((memory) => loadVmlinux(memory, long), 'length', undefined, /2047/)
  })
})

describe('vmlinux by PVH', () => {
  test('hvm_start_info, the module list and the memory map', () => {
    const memory = ram(64 * MIB)
    const { entry } = loadPvh(memory, { kernel: vmlinux(), initrd: code, cmdline: 'quiet', rsdp: 0xe_0000 })
    expect(entry.regs).toEqual({ rip: 0x100_0010n, rbx: 0x1_0000n, rflags: 2n })
    expect(entry.sregs).toMatchObject({
      cr0: 0x11n,
      cr4: 0n,
      efer: 0n,
      cs: { db: 1, l: 0, limit: 0xffff_ffff, base: 0n },
    })
    const info = 0x1_0000
    expect([memory.uint32(info), memory.uint32(info + 4), memory.uint32(info + 12)]).toEqual([0x336e_c578, 1, 1])
    const modules = Number(memory.uint64(info + 16))
    expect([memory.uint64(modules), memory.uint64(modules + 8)]).toEqual([BigInt(64 * MIB - 0x1000), 4n])
    expect(memory.text(Number(memory.uint64(info + 24)))).toBe('quiet')
    expect(memory.uint64(info + 32)).toBe(0xe_0000n)
    const map = Number(memory.uint64(info + 40))
    expect(memory.uint32(info + 48)).toBe(3)
    expect([memory.uint64(map + 24), memory.uint64(map + 32), memory.uint32(map + 40)]).toEqual([
      0x9_fc00n,
      0x6_0400n,
      2,
    ])
  })

  test('without an initrd there is no module', () => {
    const memory = ram(64 * MIB)
    loadPvh(memory, { kernel: vmlinux() })
    expect([memory.uint32(0x1_000c), memory.uint64(0x1_0010)]).toEqual([0, 0n])
  })

  test('the entry as 8 bytes, behind other notes', () => {
    const others = [note('GNU', 3, code), note('Xen', 5, code), note('NotXen', PHYS32_ENTRY, code)]
    const notes = [...others, note('Xen', PHYS32_ENTRY, Uint8Array.of(0x20, 0, 0, 1, 0, 0, 0, 0))]
    const entryNote = Uint8Array.from(notes.flatMap((bytes) => [...bytes]))
    expect(loadPvh(ram(64 * MIB), { kernel: vmlinux({ entryNote }) }).entry.regs.rip).toBe(0x100_0020n)
  })

  const load = (entryNote: Uint8Array) => (memory: SparseMemory) => loadPvh(memory, { kernel: vmlinux({ entryNote }) })

  test('an entry outside the kernel is a lie', () => {
    const at = 64 + 2 * 56 + 0x1000 + 16
    for (const bad of [uint32(0x100_3000), uint32(0xff_ffff), new Uint8Array(8).fill(0xff)]) {
      expectImageError(load(note('Xen', PHYS32_ENTRY, bad)), 'XEN_ELFNOTE_PHYS32_ENTRY', at)
    }
  })

  test('notes that cannot be read, and an entry of another width, are no entry and no fault of the kernel', () => {
    const whole = note('Xen', PHYS32_ENTRY, uint32(0x100_0010))
    const unreadable = [
      note('Xen', 1, code),
      note('Xen', PHYS32_ENTRY, Uint8Array.of(1, 2, 3)),
      note('Xen', PHYS32_ENTRY, new Uint8Array()),
      Uint8Array.from([...uint32(0xffff_ffff), ...uint32(0xffff_ffff), ...uint32(18)]),
      ...Array.from({ length: whole.length - 1 }, (_, index) => whole.subarray(0, index + 1)),
    ]
    for (const entryNote of unreadable) {
      expect(hasPvhEntry(vmlinux({ entryNote }))).toBe(false)
      expectImageError(load(entryNote), 'PT_NOTE', undefined, /no PVH entry/)
      expect(loadVmlinux(ram(64 * MIB), { kernel: vmlinux({ entryNote }) }).entry.regs.rip).toBe(0x100_0000n)
    }
    expect(hasPvhEntry(vmlinux())).toBe(true)
    const kernel = vmlinux({ segments: [{ type: PT_NOTE, offset: 0x10_0000, filesz: 16 }] })
    expect(hasPvhEntry(kernel)).toBe(true)
  })

  const property = note('GNU', 5, new Uint8Array(16))
  const buildId = note('GNU', 3, new Uint8Array(20))
  test.each([
    [
      'padded to 4 bytes',
      8,
      [buildId, property, note('Linux', 0x100, code), note('Xen', PHYS32_ENTRY, uint32(0x10_0000))],
    ],
    ['padded to 4 bytes', 0, [buildId, note('Xen', PHYS32_ENTRY, uint32(0x10_0000))]],
    ['padded to 8 bytes', 8, [buildId, uint32(0), note('Xen', PHYS32_ENTRY, uint32(0x10_0000))]],
  ])('notes %s in a segment aligned to %i', (_, align, notes) => {
    const content = Uint8Array.from(notes.flatMap((bytes) => [...bytes]))
    expect(hasPvhEntry(elf([{ content: code }, { type: PT_NOTE, content, align }]))).toBe(true)
  })

  test('a segment on top of the initrd’s only place leaves no room for it', () => {
    const segments = [{ paddr: 0x110_0000, memsz: 0x2f0_0000 }]
    const options = { kernel: vmlinux({ segments }), initrd: new Uint8Array(16 * MIB) }
    expectImageError((memory) => loadPvh(memory, options), 'size', undefined, /does not fit/, ram(64 * MIB))
  })

  test('notes are found by their segment, not by a section', () => {
    expect(
      hasPvhEntry(elf([{ content: code }, { type: PT_NOTE, content: note('Xen', PHYS32_ENTRY, uint32(0x10_0000)) }])),
    ).toBe(true)
  })
})
