import { describe, expect, test } from 'vitest'

import { hasPvhEntry, loadElf, loadPvh, loadVmlinux, memoryLayout } from '../../../lib/boot/index.js'
import { expectRefusal } from '../../thrown.js'
import { elf, type Field, note, PHYS32_ENTRY, PT_NOTE, type Segment, uint32, vmlinux } from './images.js'
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
    expectImageError(
      load([{ content: code }, { content: code, paddr: 0x1000 }]),
      'p_paddr',
      phdr + (is64 ? 56 : 32) + paddrAt,
      /GDT/,
    )
    const last = 16 * MIB
    expectImageError(load([{ content: code, paddr: last - 3 }]), 'e_entry', 24)
    expectImageError(load([{ content: code, paddr: last - 3 }], last - 3), 'p_paddr', phdr + paddrAt, /RAM/, ram(last))
    expect(load([{ content: code, paddr: last - 4 }], last - 4)(ram(last)).entry.regs.rip).toBe(BigInt(last - 4))
    expectImageError(load([{ content: code, memsz: 0xffff_ffff }]), 'p_paddr', phdr + paddrAt, /RAM/)
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
      ['e_phnum', phnumAt, [phnumAt, 2, 129]],
      ['e_phnum', phnumAt, [phnumAt, 2, 0xffff]],
      ['e_phoff', phdr, [is64 ? 32 : 28, 4, 0xffff_fff0]],
      ['p_filesz', phdr + fileszAt, [phdr + fileszAt, 4, 5]],
      ['p_offset', phdr + offsetAt, [phdr + offsetAt, 4, 0xffff_ffff]],
      ['e_phnum', phnumAt, [phdr, 4, 6]],
    ]
    for (const [field, offset, change] of cases) {
      // e_phoff is blamed at the offset that it names.
      const at = field === 'e_phoff' ? 0xffff_fff0 : offset
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
  expectImageError(load({ paddr: 2n ** 53n - 1n, vaddr: 0x10_0000 }), 'e_entry', 24)
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

  test('a 32-bit kernel, and a command line past 2047 bytes, are refused', () => {
    const small = elf([{ content: code }], { bits: 32 })
    expectImageError((memory) => loadVmlinux(memory, { kernel: small }), 'EI_CLASS', 4)
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

  test('no note, an entry outside, an entry of three bytes, notes that end too early', () => {
    const load = (entryNote: Uint8Array) => (memory: SparseMemory) =>
      loadPvh(memory, { kernel: vmlinux({ entryNote }) })
    expect(hasPvhEntry(vmlinux())).toBe(true)
    expect(hasPvhEntry(vmlinux({ entryNote: note('Xen', 1, code) }))).toBe(false)
    expectImageError(load(note('Xen', 1, code)), 'PT_NOTE', undefined, /no PVH entry/)
    const at = 64 + 2 * 56 + 0x1000 + 16
    for (const bad of [
      uint32(0x100_3000),
      uint32(0xff_ffff),
      new Uint8Array(8).fill(0xff),
      Uint8Array.of(1, 2, 3),
      new Uint8Array(),
    ]) {
      expectImageError(load(note('Xen', PHYS32_ENTRY, bad)), 'XEN_ELFNOTE_PHYS32_ENTRY', at)
    }
    const whole = note('Xen', PHYS32_ENTRY, uint32(0x100_0010))
    for (let length = 1; length < whole.length; length++) {
      expectRefusal(() => load(whole.subarray(0, length))(ram(64 * MIB)), 'ERR_KVM_BOOT_IMAGE')
    }
    const huge = Uint8Array.from([...uint32(0xffff_ffff), ...uint32(0xffff_ffff), ...uint32(18)])
    expectImageError(load(huge), 'n_name', 12)
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
