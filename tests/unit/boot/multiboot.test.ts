import { describe, expect, test } from 'vitest'

import { detectFormat, loadMultiboot, loadMultiboot2 } from '../../../lib/boot/index.js'
import { expectRefusal } from '../../thrown.js'
import { elf, multiboot1Header, multiboot2Header, type Tag } from './images.js'
import { expectImageError } from './refusal.js'
import { MIB, ram, type SparseMemory } from './sparse-memory.js'

const INFO = 0x1_0000
const LOAD = 0x10_0000

/** A file with the header at `at`, filled with a pattern. */
function file(header: Uint8Array, at = 0x10, size = 0x200): Uint8Array {
  const image = Uint8Array.from({ length: size }, (_, index) => index % 251)
  image.set(header, at)
  return image
}

/** As an ELF kernel has it: in its first segment. */
const elfKernel = (header: Uint8Array, entry = LOAD) =>
  elf([{ content: file(header), memsz: 0x1000 }], { bits: 32, entry })

describe('Multiboot 1', () => {
  const load = (kernel: Uint8Array) => (memory: SparseMemory) => loadMultiboot(memory, { kernel })
  /** header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr. */
  const aout = (fields: readonly number[]) => file(multiboot1Header(0x1_0003, fields))

  test('an ELF kernel with everything: registers and information', () => {
    const memory = ram(64 * MIB)
    const modules = [
      { bytes: Uint8Array.of(1, 2, 3), name: 'first', cmdline: 'a=b' },
      { bytes: new Uint8Array(0x1001).fill(9) },
    ]
    const { entry } = loadMultiboot(memory, { kernel: elfKernel(multiboot1Header(3)), cmdline: 'arg', modules })
    expect(entry.regs).toEqual({ rip: BigInt(LOAD), rax: 0x2bad_b002n, rbx: BigInt(INFO), rflags: 2n })
    expect(entry.sregs).toMatchObject({ cr0: 0x11n, cs: { db: 1, limit: 0xffff_ffff } })

    expect(memory.uint32(INFO)).toBe(0b10_0100_1101)
    expect([memory.uint32(INFO + 4), memory.uint32(INFO + 8)]).toEqual([639, 63 * 1024])
    expect(memory.text(memory.uint32(INFO + 16))).toBe('kernel arg')
    expect(memory.text(memory.uint32(INFO + 64))).toBe('node-kvm')
    expect(memory.uint32(INFO + 20)).toBe(2)
    const list = memory.uint32(INFO + 24)
    const [first, firstEnd, second, secondEnd] = [0, 4, 16, 20].map((offset) => memory.uint32(list + offset))
    expect([first, firstEnd, second, secondEnd]).toEqual([LOAD + 0x1000, LOAD + 0x1003, LOAD + 0x2000, LOAD + 0x3001])
    expect(memory.read(LOAD + 0x1000, 3)).toEqual(Uint8Array.of(1, 2, 3))
    expect([memory.text(memory.uint32(list + 8)), memory.text(memory.uint32(list + 24))]).toEqual([
      'first a=b',
      'module',
    ])

    expect(memory.uint32(INFO + 44)).toBe(3 * 24)
    const map = memory.uint32(INFO + 48)
    const entries = [0, 1, 2].map((index) => {
      const at = map + 24 * index
      return [memory.uint32(at), Number(memory.uint64(at + 4)), Number(memory.uint64(at + 12)), memory.uint32(at + 20)]
    })
    expect(entries).toEqual([
      [20, 0, 0x9_fc00, 1],
      [20, 0x9_fc00, 0x6_0400, 2],
      [20, MIB, 63 * MIB, 1],
    ])
  })

  test('address fields load any file', () => {
    const memory = ram(16 * MIB)
    memory.fill(LOAD, 0x1000, 0xee)
    const image = aout([LOAD + 8, LOAD, LOAD + 0x100, LOAD + 0x200, LOAD + 0x20])
    expect(load(image)(memory).entry.regs.rip).toBe(BigInt(LOAD + 0x20))
    expect(memory.read(LOAD, 0x100)).toEqual(image.subarray(8, 0x108))
    expect(memory.read(LOAD + 0x100, 0x101)).toEqual(Uint8Array.from([...new Array<number>(0x100).fill(0), 0xee]))
  })

  test('load_end_addr 0 is the end of the file, bss_end_addr 0 no bss', () => {
    const { placed } = load(aout([LOAD, LOAD, 0, 0, LOAD]))(ram(16 * MIB))
    expect(placed.find(({ name }) => name === 'kernel')).toEqual({ name: 'kernel', start: LOAD, size: 0x1f0 })
  })

  test.each([
    ['load_addr', 1, [LOAD, LOAD + 1, 0, 0, LOAD]],
    ['load_addr', 1, [LOAD + 0x11, LOAD, 0, 0, LOAD]],
    ['load_end_addr', 2, [LOAD, LOAD, LOAD, 0, LOAD]],
    ['load_end_addr', 2, [LOAD, LOAD, LOAD - 1, 0, LOAD]],
    ['load_end_addr', 2, [LOAD, LOAD, LOAD + 0x1f1, 0, LOAD]],
    ['bss_end_addr', 3, [LOAD, LOAD, 0, LOAD + 0x1ef, LOAD]],
    ['load_addr', 1, [LOAD, LOAD, 0, 0xffff_ffff, LOAD]],
    ['header_addr', 0, [0xf, 0xffff_ffff, 0, 0, LOAD]],
    ['load_addr', 1, [0xffff_fffe, 0xffff_fffe, 0, 0, 0xffff_fffe]],
    ['entry_addr', 4, [LOAD, LOAD, 0, 0, LOAD + 0x1f0]],
    ['entry_addr', 4, [LOAD, LOAD, 0, 0, LOAD - 1]],
  ])('a wrong %s', (field, index, fields) => {
    expectImageError(load(aout(fields)), field, 0x10 + 12 + 4 * index)
  })

  test('demands that nobody here can meet', () => {
    expectImageError(load(file(multiboot1Header(8))), 'flags', 0x14, /0x8/)
    // A video mode is a preference.
    expect(load(elfKernel(multiboot1Header(7)))(ram(16 * MIB)).entry.regs.rip).toBe(BigInt(LOAD))
    expect(load(elfKernel(multiboot1Header(0xfffe_0000)))(ram(16 * MIB)).entry.regs.rip).toBe(BigInt(LOAD))
  })

  test('the information lies where the kernel does not', () => {
    const memory = ram(16 * MIB)
    const low = 0x8000
    const kernel = file(multiboot1Header(0x1_0000, [low, low, 0, 0x3_0123, low]))
    const { entry, placed } = loadMultiboot(memory, { kernel, cmdline: 'a', modules: [{ bytes: Uint8Array.of(1) }] })
    expect(placed.map(({ name, start }) => [name, start])).toEqual([
      ['GDT', 0x1000],
      ['kernel', low],
      ['Multiboot information', 0x3_1000],
      ['module 0', MIB],
    ])
    expect(entry.regs.rbx).toBe(0x3_1000n)
    const at = Number(entry.regs.rbx)
    expect(memory.text(memory.uint32(at + 16))).toBe('kernel a')
    expect(memory.uint32(memory.uint32(at + 24))).toBe(MIB)
    expect(memory.uint32(memory.uint32(at + 48))).toBe(20)
  })

  test('the command line begins with the image’s name', () => {
    const text = (options: { name?: string; cmdline?: string }) => {
      const memory = ram(16 * MIB)
      loadMultiboot(memory, { kernel: elfKernel(multiboot1Header(3)), ...options })
      return memory.text(memory.uint32(INFO + 16))
    }
    expect([text({}), text({ name: 'xen' }), text({ cmdline: 'a b' }), text({ name: 'xen', cmdline: 'a' })]).toEqual([
      ...['kernel', 'xen', 'kernel a b', 'xen a'],
    ])
  })

  test('the header’s window: its last byte is the 8192nd', () => {
    const at = (offset: number) => file(multiboot1Header(3), offset, 0x3000)
    expect(detectFormat(at(8192 - 12))).toBe('multiboot')
    expect(detectFormat(at(8192 - 8))).toBe('unknown')
    expect(detectFormat(at(0x12))).toBe('unknown') // not aligned
    expectImageError(load(at(8192 - 8)), 'magic', 0)
  })

  test('a magic number without its checksum is passed over', () => {
    const image = file(multiboot1Header(0x1_0000, [LOAD, LOAD, 0, 0, LOAD]), 0x40)
    image.set([0x02, 0xb0, 0xad, 0x1b, 0, 0, 0, 0, 1, 2, 3, 4], 0x10)
    expect(load(image)(ram(16 * MIB)).entry.regs.rip).toBe(BigInt(LOAD))
  })

  test('an image cut off anywhere', () => {
    const image = aout([LOAD, LOAD, LOAD + 0x1f0, 0, LOAD])
    for (let length = 0; length < image.length; length++) {
      expectRefusal(() => load(image.subarray(0, length))(ram(16 * MIB)), 'ERR_KVM_BOOT_IMAGE')
    }
  })

  test('modules that do not fit, too many of them, command lines past the room', () => {
    const kernel = elfKernel(multiboot1Header(3))
    const withModules =
      (modules: { bytes: Uint8Array; cmdline?: string }[], cmdline = '') =>
      (memory: SparseMemory) =>
        loadMultiboot(memory, { kernel, modules, cmdline })
    const one = { bytes: new Uint8Array(15 * MIB) }
    expectImageError(withModules([one]), 'size', undefined, /module 0/, ram(16 * MIB))
    expectImageError(withModules(Array.from({ length: 257 }, () => ({ bytes: Uint8Array.of(1) }))), 'count', undefined)
    expectImageError(withModules([], 'x'.repeat(0xfff0)), 'size', undefined, /information/)
    expectImageError(withModules([], 'x'.repeat(0xfff9)), 'command line', undefined)
    expectImageError(withModules([{ bytes: Uint8Array.of(1), cmdline: 'a\0' }]), 'command line', undefined, /NUL/)
  })
})

describe('Multiboot 2', () => {
  const load = (kernel: Uint8Array) => (memory: SparseMemory) => loadMultiboot2(memory, { kernel })
  /** In its first segment, aligned to 8 in the file. */
  const elfWith = (tags: readonly Tag[], entry = LOAD) =>
    elf([{ content: file(multiboot2Header(tags), 0x14), memsz: 0x1000 }], { bits: 32, entry })
  /** The first tag's offset in the file: ELF header, program header, the pattern, the fixed part. */
  const TAG = 52 + 32 + 0x14 + 16 - 4

  test('an ELF kernel with everything: registers and information', () => {
    const memory = ram(64 * MIB)
    const kernel = elfWith(
      [
        [1, 0, 1, 6],
        [6, 0],
      ],
      LOAD + 4,
    )
    const modules = [{ bytes: Uint8Array.of(1, 2, 3), name: 'm' }]
    const { entry } = loadMultiboot2(memory, { kernel, cmdline: 'arg', modules })
    expect(entry.regs).toEqual({ rip: BigInt(LOAD + 4), rax: 0x36d7_6289n, rbx: BigInt(INFO), rflags: 2n })

    const tags = new Map<number, number>()
    const total = memory.uint32(INFO)
    for (let at = INFO + 8; at < INFO + total; at += Math.ceil(memory.uint32(at + 4) / 8) * 8)
      tags.set(memory.uint32(at), at)
    expect([...tags.keys()]).toEqual([1, 2, 3, 4, 6, 0])
    const at = (type: number) => tags.get(type) ?? 0
    expect(memory.text(at(1) + 8)).toBe('kernel arg')
    expect(memory.text(at(2) + 8)).toBe('node-kvm')
    expect([memory.uint32(at(3) + 8), memory.uint32(at(3) + 12), memory.text(at(3) + 16)]).toEqual([
      LOAD + 0x1000,
      LOAD + 0x1003,
      'm',
    ])
    expect([memory.uint32(at(4) + 8), memory.uint32(at(4) + 12)]).toEqual([639, 63 * 1024])
    expect([memory.uint32(at(6) + 4), memory.uint32(at(6) + 8), memory.uint32(at(6) + 12)]).toEqual([
      16 + 3 * 24,
      24,
      0,
    ])
    expect([memory.uint64(at(6) + 16 + 24), memory.uint32(at(6) + 16 + 24 + 16)]).toEqual([0x9_fc00n, 2])
    expect(at(0) + 8).toBe(INFO + total)
  })

  const aout = (...tags: Tag[]) => file(multiboot2Header(tags), 0x18)

  test('address and entry tags', () => {
    const memory = ram(16 * MIB)
    const image = aout([2, 0, LOAD + 8, LOAD, 0, 0], [3, 0, LOAD + 0x30])
    expect(load(image)(memory).entry.regs.rip).toBe(BigInt(LOAD + 0x30))
    expect(memory.read(LOAD, 0x1f0)).toEqual(image.subarray(0x10))
  })

  test.each([
    ['up to the end of the file', [0, 0], 0x200],
    ['up to load_end_addr, with bss', [LOAD + 0x180, LOAD + 0x300], 0x300],
  ] as const)('load_addr -1 is the beginning of the file: %s', (_, [loadEnd, bssEnd], size) => {
    const memory = ram(16 * MIB)
    const image = aout([2, 0, LOAD + 0x18, 0xffff_ffff, loadEnd, bssEnd], [3, 0, LOAD + 0x40])
    const { entry, placed } = load(image)(memory)
    expect(entry.regs.rip).toBe(BigInt(LOAD + 0x40))
    expect(placed.find(({ name }) => name === 'kernel')).toEqual({ name: 'kernel', start: LOAD, size })
    expect(memory.read(LOAD, 0x180)).toEqual(image.subarray(0, 0x180))
  })

  test('an entry tag of an ELF kernel comes before its own entry', () => {
    const kernel = elfWith([[3, 0, LOAD + 0x50]])
    expect(load(kernel)(ram(16 * MIB)).entry.regs.rip).toBe(BigInt(LOAD + 0x50))
  })

  test.each<[string, number, RegExp, Tag]>([
    ['mbi_tag_types', 8, /22 is no type/, [1, 0, 22]],
    ['console_flags', 8, /console/, [4, 0, 1]],
    ['tag type', 0, /99/, [99, 0]],
    ['tag size', 4, /too short/, [2, 0, 1, 2]],
    ['tag size', 4, /too short/, [3, 0]],
    ['entry_addr', 8, /outside/, [3, 0, LOAD - 1]],
  ])('%s at %i', (field, offset, message, tag) => {
    const kernel = elfWith([tag])
    expectImageError(load(kernel), field, TAG + 4 + offset, message)
  })

  test('what is only wished for, preferred, or not available is left out', () => {
    const kernel = elfWith([
      [1, 1, 99],
      [1, 0, 8, 14, 21],
      [5, 0, 0, 0, 0],
      [99, 1],
      [4, 0, 2],
      [7, 0],
      [10, 0, 0, 0, 0, 0],
    ])
    expect(load(kernel)(ram(16 * MIB)).entry.regs.rip).toBe(BigInt(LOAD))
  })

  test('an address tag without an entry, another architecture, a header without an end', () => {
    expectImageError(load(aout([2, 0, LOAD, LOAD, 0, 0])), 'tags', 0x18)
    expectImageError(load(file(multiboot2Header([], 4), 0x18)), 'architecture', 0x1c)
    const open = multiboot2Header([[6, 0]])
    open.set([6, 0, 0, 0, 8, 0, 0, 0], open.length - 8)
    expectImageError(load(file(open, 0x18)), 'tag', 0x18 + open.length)
    const tiny = multiboot2Header([[6, 0]])
    tiny.set([0, 0, 0, 0], 20)
    expectImageError(load(file(tiny, 0x18)), 'tag size', 0x18 + 20)
  })

  test('the header’s window: its last byte is the 32768th', () => {
    const at = (offset: number) => detectFormat(file(multiboot2Header([]), offset, 0x9000))
    expect([at(32768 - 16), at(32768 - 8), at(0x14)]).toEqual(['multiboot2', 'unknown', 'unknown'])
  })

  test('an image cut off anywhere', () => {
    const image = aout([2, 0, LOAD, LOAD, LOAD + 0x1e8, 0], [3, 0, LOAD])
    for (let length = 0; length < image.length; length++) {
      expectRefusal(() => load(image.subarray(0, length))(ram(16 * MIB)), 'ERR_KVM_BOOT_IMAGE')
    }
  })

  test('both headers: the newer one counts', () => {
    const image = file(multiboot2Header([]), 0x100)
    image.set(multiboot1Header(3), 0x10)
    expect(detectFormat(image)).toBe('multiboot2')
  })
})
