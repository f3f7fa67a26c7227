import { describe, expect, test } from 'vitest'

import { e820Map, loadBzImage, memoryLayout } from '../../../lib/boot/index.js'
import { expectRefusal } from '../../thrown.js'
import { bzImage, SETUP, SETUP_SIZE, type SetupField } from './images.js'
import { expectImageError } from './refusal.js'
import { GIB, MIB, ram, SparseMemory } from './sparse-memory.js'

const BOOT_PARAMS = 0x1_0000
const KERNEL_AT = 0x100_0000

describe('a kernel that loads', () => {
  test('everything is where the result says, and where the guest is told', () => {
    const memory = ram(256 * MIB)
    const kernel = bzImage()
    const initrd = Uint8Array.from({ length: 5000 }, (_, index) => index % 7)
    const { entry, placed } = loadBzImage(memory, { kernel, initrd, cmdline: 'console=ttyS0 ö', rsdp: 0xe_0000 })

    expect(placed).toEqual([
      { name: 'GDT', start: 0x1000, size: 48 },
      { name: 'page tables', start: 0x2000, size: 0x6000 },
      { name: 'boot_params', start: BOOT_PARAMS, size: 0x1000 },
      { name: 'command line', start: 0x2_0000, size: 17 },
      { name: 'kernel', start: KERNEL_AT, size: 0x80_0000 },
      { name: 'initrd', start: 256 * MIB - 0x2000, size: 5000 },
    ])
    expect(memory.read(KERNEL_AT, 0x1000)).toEqual(kernel.subarray(SETUP_SIZE))
    expect(memory.read(256 * MIB - 0x2000, 5000)).toEqual(initrd)
    expect(memory.text(0x2_0000)).toBe('console=ttyS0 ö')

    const headerEnd = 0x26c
    const header = memory.read(BOOT_PARAMS, 0x1000).slice(0x1f1, headerEnd)
    const expected = kernel.slice(0x1f1, headerEnd)
    for (const [at, value] of [
      [0x210, 0xff],
      [0x217, 1], // code32_start: where it lies
      [0x22a, 2],
      [0x219, 0xe0],
      [0x21a, 0xff],
      [0x21b, 0x0f],
      [0x21c, 0x88],
      [0x21d, 0x13],
    ] as const) {
      expected[at - 0x1f1] = value
    }
    expect(header).toEqual(expected)
    expect(memory.uint64(BOOT_PARAMS + 0x70)).toBe(0xe_0000n)
    expect(memory.read(BOOT_PARAMS, 0x70).every((byte) => byte === 0)).toBe(true)
    expect(memory.read(BOOT_PARAMS + headerEnd, 0x2d0 - headerEnd).every((byte) => byte === 0)).toBe(true)

    expect(entry.regs).toEqual({ rip: BigInt(KERNEL_AT + 0x200), rsi: BigInt(BOOT_PARAMS), rflags: 2n })
    expect(entry.sregs).toMatchObject({
      cr0: 0x8000_0031n,
      cr3: 0x2000n,
      cr4: 0x20n,
      efer: 0x500n,
      gdt: { base: 0x1000n, limit: 47 },
      cs: { selector: 0x10, type: 0b1011, l: 1, db: 0, g: 1, limit: 0xffff_ffff, base: 0n, present: 1, s: 1 },
      tr: { type: 0b1011, s: 0, present: 1, unusable: 0, g: 0, limit: 0x67 },
      ldt: { unusable: 1 },
    })
    for (const name of ['ds', 'es', 'fs', 'gs', 'ss'] as const) {
      expect(entry.sregs[name]).toMatchObject({ selector: 0x18, type: 0b0011, db: 1, l: 0, g: 1, limit: 0xffff_ffff })
    }
  })

  test('the GDT has the segments that the registers have', () => {
    const memory = ram(64 * MIB)
    loadBzImage(memory, { kernel: bzImage() })
    const entries = Array.from({ length: 6 }, (_, index) => memory.uint64(0x1000 + 8 * index))
    expect(entries).toEqual([0n, 0n, 0x00af_9b00_0000_ffffn, 0x00cf_9300_0000_ffffn, 0x0000_8b00_0000_0067n, 0n])
  })

  test('the page tables map the first 4 GiB one to one', () => {
    const memory = ram(64 * MIB)
    loadBzImage(memory, { kernel: bzImage() })
    const walk = (address: bigint): bigint => {
      const index = (level: bigint) => Number((address >> (12n + 9n * level)) & 0x1ffn)
      const next = (table: bigint, level: bigint) => {
        const entry = memory.uint64(Number(table & ~0xfffn) + 8 * index(level))
        expect(entry & 3n).toBe(3n)
        return entry
      }
      const leaf = next(next(next(0x2000n, 3n), 2n), 1n)
      expect(leaf & 0x80n).toBe(0x80n)
      return (leaf & ~0x1f_ffffn) + (address & 0x1f_ffffn)
    }
    for (const address of [0n, 0xfffn, 0x20_0000n, 0x3fff_ffffn, 0x4000_0000n, 0x1234_5678n, 0xffff_ffffn]) {
      expect(walk(address)).toBe(address)
    }
    expect(memory.uint64(0x3000 + 4 * 8)).toBe(0n)
  })

  test('the memory map is the one of the layout, above the hole too', () => {
    const { ram: regions, e820 } = memoryLayout(6 * GIB)
    const memory = new SparseMemory(regions)
    loadBzImage(memory, { kernel: bzImage(), e820 })
    expect(memory.read(BOOT_PARAMS + 0x1e8, 1)[0]).toBe(4)
    const table = Array.from({ length: 4 }, (_, index) => {
      const at = BOOT_PARAMS + 0x2d0 + 20 * index
      return [Number(memory.uint64(at)), Number(memory.uint64(at + 8)), memory.uint32(at + 16)]
    })
    expect(table).toEqual(e820.map(({ start, size, type }) => [start, size, type === 'ram' ? 1 : 2]))
  })

  test('without a memory map, the regions are it', () => {
    const memory = ram(64 * MIB)
    loadBzImage(memory, { kernel: bzImage() })
    expect(memory.read(BOOT_PARAMS + 0x1e8, 1)[0]).toBe(e820Map(memory.regions).length)
  })

  test('setup_sects 0 means 4', () => {
    const small = bzImage()
    const image = new Uint8Array(5 * 512 + 0x1000)
    image.set(small.subarray(0, SETUP_SIZE))
    image[0x1f1] = 0
    image.fill(0xab, 5 * 512)
    const memory = ram(64 * MIB)
    loadBzImage(memory, { kernel: image })
    expect(memory.read(KERNEL_AT, 0x1000).every((byte) => byte === 0xab)).toBe(true)
  })

  test('what follows the kernel in the file, such as a signature, is left out', () => {
    const image = new Uint8Array(bzImage().length + 64).fill(0xee)
    image.set(bzImage())
    const memory = ram(64 * MIB)
    loadBzImage(memory, { kernel: image })
    expect(memory.read(KERNEL_AT + 0x1000, 64).every((byte) => byte === 0)).toBe(true)
  })
})

describe('where the initrd goes', () => {
  const place = (size: number, memory: SparseMemory, changes: Parameters<typeof bzImage>[0] = {}) =>
    loadBzImage(memory, { kernel: bzImage(changes), initrd: new Uint8Array(size) }).placed.find(
      ({ name }) => name === 'initrd',
    )?.start

  test('as high as RAM goes', () => {
    expect(place(0x1000, ram(64 * MIB))).toBe(64 * MIB - 0x1000)
    expect(place(0x1001, ram(64 * MIB))).toBe(64 * MIB - 0x2000)
  })

  test('not above initrd_addr_max, whose byte is the last that it may cover', () => {
    expect(place(0x1000, ram(3 * GIB))).toBe(0x7fff_f000)
    expect(place(0x1000, ram(3 * GIB), { initrd_addr_max: 0x37ff_ffff })).toBe(0x37ff_f000)
    expect(place(0x1000, ram(3 * GIB), { initrd_addr_max: 0x37ff_fffe })).toBe(0x37ff_e000)
  })

  test('never above 4 GiB', () => {
    const { ram: regions } = memoryLayout(6 * GIB)
    expect(place(0x1000, new SparseMemory(regions), { initrd_addr_max: 0xffff_ffff })).toBe(3 * GIB - 0x1000)
  })

  test('below the kernel only when there is nothing above it', () => {
    // 16 MiB to 24 MiB are the kernel's; 1 MiB is left above it.
    expect(place(MIB, ram(25 * MIB))).toBe(24 * MIB)
    expect(place(MIB + 1, ram(25 * MIB))).toBe(15 * MIB - 0x1000)
  })

  test('one that does not fit is refused, and so is an empty one', () => {
    const load = (size: number, memory: SparseMemory) =>
      loadBzImage(memory, { kernel: bzImage(), initrd: new Uint8Array(size) })
    expectImageError((memory) => load(15 * MIB + 1, memory), 'initrd_addr_max', 0x22c, /does not fit/, ram(25 * MIB))
    expectImageError((memory) => load(0, memory), 'size', undefined, /empty/)
  })
})

describe('where the kernel goes', () => {
  test('too little memory for init_size is refused, one page more is enough', () => {
    expectImageError(
      (memory) => loadBzImage(memory, { kernel: bzImage() }),
      'init_size',
      0x260,
      /too little memory/,
      ram(24 * MIB - 0x1000),
    )
    expect(loadBzImage(ram(24 * MIB), { kernel: bzImage() }).entry.regs.rip).toBe(0x100_0200n)
  })

  test('a relocatable kernel goes above a hole at the preferred address; another is refused', () => {
    const e820 = memoryLayout(256 * MIB, { reserved: [{ start: 0x100_0000, end: 0x110_0000 }] }).e820
    const load = (relocatable: number) => (memory: SparseMemory) =>
      loadBzImage(memory, { kernel: bzImage({ relocatable_kernel: relocatable }), e820 })
    expect(load(1)(ram(256 * MIB)).entry.regs.rip).toBe(0x120_0200n)
    expectImageError(load(0), 'init_size', 0x260)
  })

  test('RAM above 4 GiB does not help', () => {
    const regions = [
      { at: 0, size: MIB },
      { at: 4 * GIB, size: GIB },
    ]
    expectImageError(
      (memory) => loadBzImage(memory, { kernel: bzImage() }),
      'init_size',
      0x260,
      /./,
      new SparseMemory(regions),
    )
  })

  test('RAM that has no room for the structures is refused', () => {
    const memory = new SparseMemory([{ at: 0x100_0000, size: 0x80_0000 }])
    expectImageError((target) => loadBzImage(target, { kernel: bzImage() }), 'low memory', undefined, /GDT/, memory)
  })

  test('the structures go where the kernel is not', () => {
    const low = bzImage({ pref_address: 0x1000, init_size: 0x8_0000, relocatable_kernel: 0 })
    const { entry, placed } = loadBzImage(ram(64 * MIB), { kernel: low, cmdline: 'quiet' })
    expect(placed.map(({ name, start }) => [name, start])).toEqual(
      [
        ['kernel', 0x1000],
        ['GDT', 0x8_1000],
        ['page tables', 0x8_2000],
        ['boot_params', 0x8_8000],
        ['command line', 0x8_1030],
      ].sort(([, a], [, b]) => Number(a) - Number(b)),
    )
    expect(entry.regs.rsi).toBe(0x8_8000n)
    expect([entry.sregs.cr3, entry.sregs.gdt.base]).toEqual([0x8_2000n, 0x8_1000n])
  })

  test('at its preferred address exactly, also when that is no multiple of its alignment', () => {
    const kernel = bzImage({ pref_address: 0x100_1000 })
    expect(loadBzImage(ram(64 * MIB), { kernel }).entry.regs.rip).toBe(0x100_1200n)
  })

  test.each([0, 0xfff])('an init_size of %i is at least the kernel itself', (init_size) => {
    const { placed } = loadBzImage(ram(64 * MIB), { kernel: bzImage({ init_size }) })
    expect(placed.find(({ name }) => name === 'kernel')?.size).toBe(0x1000)
  })

  test('the alignment of a kernel that is not relocatable means nothing', () => {
    const kernel = bzImage({ relocatable_kernel: 0, kernel_alignment: 3 })
    expect(loadBzImage(ram(64 * MIB), { kernel }).entry.regs.rip).toBe(0x100_0200n)
  })
})

describe('a file that ends within the last paragraph of syssize', () => {
  const whole = bzImage()
  test.each([1, 15])('%i bytes short: they are zero', (short) => {
    const memory = ram(64 * MIB)
    memory.fill(KERNEL_AT, 0x2000, 0xee)
    loadBzImage(memory, { kernel: whole.subarray(0, whole.length - short) })
    const expected = whole.slice(SETUP_SIZE)
    expected.fill(0, 0x1000 - short)
    expect(memory.read(KERNEL_AT, 0x1000)).toEqual(expected)
  })

  test('16 bytes short: a paragraph is missing', () => {
    const kernel = whole.subarray(0, whole.length - 16)
    expectImageError((memory) => loadBzImage(memory, { kernel }), 'syssize', 0x1f4)
  })
})

describe('the 32-bit protocol, for kernels without a 64-bit entry', () => {
  const load = (changes: Parameters<typeof bzImage>[0], memory = ram(64 * MIB)) => ({
    memory,
    ...loadBzImage(memory, { kernel: bzImage(changes), cmdline: 'quiet', initrd: Uint8Array.of(1) }),
  })

  test('a kernel for i386: protected mode at its first byte, ESI = boot_params', () => {
    const { entry, memory } = load({ xloadflags: 0 })
    expect(entry.regs).toEqual({
      ...{ rip: BigInt(KERNEL_AT), rsi: BigInt(BOOT_PARAMS), rflags: 2n },
      ...{ rbp: 0n, rdi: 0n, rbx: 0n },
    })
    expect(entry.sregs).toMatchObject({ cr0: 0x11n, efer: 0n, cs: { selector: 0x10, db: 1, l: 0 } })
    expect(memory.uint32(BOOT_PARAMS + 0x214)).toBe(KERNEL_AT)
    expect(memory.uint32(BOOT_PARAMS + 0x202)).toBe(0x5372_6448)
  })

  test('2.11: xloadflags are not there yet, whatever stands in their place', () => {
    expect(load({ version: 0x020b }).entry.sregs.efer).toBe(0n)
  })

  test('2.09: no preferred address, no init_size; 1 MiB it is, with room to unpack', () => {
    const { placed } = load({ version: 0x0209 })
    expect(placed.find(({ name }) => name === 'kernel')).toEqual({ name: 'kernel', start: MIB, size: 0x3000 })
  })

  test('2.05: a command line of 255 bytes', () => {
    const kernel = bzImage({ version: 0x0205 })
    loadBzImage(ram(64 * MIB), { kernel, cmdline: 'x'.repeat(255) })
    expectImageError((memory) => loadBzImage(memory, { kernel, cmdline: 'x'.repeat(256) }), 'cmdline_size', 0x238)
  })

  test('2.03: syssize has 16 bits and is not believed', () => {
    const { placed } = load({ version: 0x0203, syssize: 0 })
    expect(placed.find(({ name }) => name === 'kernel')?.size).toBe(0x3000)
  })

  test('2.04: not relocatable, whatever stands in that place', () => {
    const e820 = memoryLayout(64 * MIB, { reserved: [{ start: MIB, end: 2 * MIB }] }).e820
    const kernel = bzImage({ version: 0x0204 })
    expectImageError((memory) => loadBzImage(memory, { kernel, e820 }), 'init_size', 0x260)
  })
})

test('a header without a short jump, or one that ends anywhere, is copied as far as boot_params has room', () => {
  for (const jump of [0x6ae9, 0x00eb, 0x65eb, 0xffeb]) {
    const memory = ram(64 * MIB)
    loadBzImage(memory, { kernel: bzImage({ jump }) })
    expect(memory.uint32(BOOT_PARAMS + 0x22c)).toBe(0x7fff_ffff)
    expect(memory.read(BOOT_PARAMS + 0x290, 0x40).every((byte) => byte === 0)).toBe(true)
  }
})

describe('the command line', () => {
  const load = (cmdline: string, limit: number) => (memory: SparseMemory) =>
    loadBzImage(memory, { kernel: bzImage({ cmdline_size: limit }), cmdline })

  test('as long as cmdline_size passes, one byte more is refused', () => {
    const memory = ram(64 * MIB)
    load('x'.repeat(2047), 2047)(memory)
    expect(memory.text(0x2_0000)).toHaveLength(2047)
    expectImageError(load('x'.repeat(2048), 2047), 'cmdline_size', 0x238, /2048 bytes; 2047/)
    expectImageError(load('ö'.repeat(1024), 2047), 'cmdline_size', 0x238)
  })

  test('a header that allows more than there is room for', () => {
    load('x'.repeat(0xffff), 0xffff_ffff)(ram(64 * MIB))
    expectImageError(load('x'.repeat(0x1_0000), 0xffff_ffff), 'cmdline_size', 0x238)
  })

  test('NUL is refused, and what is no string', () => {
    expectImageError(load('a\0b', 2047), 'cmdline_size', 0x238, /NUL/)
    expectRefusal(() => load(1 as never, 2047)(ram(64 * MIB)), 'ERR_KVM_INVALID_ARGUMENT', /cmdline/)
  })
})

describe('setup headers that lie', () => {
  const CASES: [SetupField, number | bigint][] = [
    ['boot_flag', 0xaa56],
    ['header', 0x5372_6447],
    ['version', 0x0202],
    ['version', 0],
    ['loadflags', 0],
    ['syssize', 0],
    ['syssize', 0x20],
    ['syssize', 0x101],
    ['syssize', 0xffff_ffff],
    ['setup_sects', 0xff],
    ['kernel_alignment', 0],
    ['kernel_alignment', 3],
    ['kernel_alignment', 0xffff_ffff],
    ['pref_address', 2n ** 63n],
    ['init_size', 0xffff_ffff],
  ]
  // A field can also be wrong by what another one says.
  const BLAMED: Partial<Record<SetupField, SetupField>> = { setup_sects: 'syssize' }

  test.each(CASES)('%s = %s', (name, value) => {
    expectImageError(
      (memory) => loadBzImage(memory, { kernel: bzImage({ [name]: value }) }),
      BLAMED[name] ?? name,
      SETUP[BLAMED[name] ?? name][0],
    )
  })

  test('an image cut off anywhere is refused before memory changes', () => {
    const image = bzImage()
    for (let length = 0; length <= image.length - 16; length += length < 0x400 ? 1 : 97) {
      const memory = ram(64 * MIB)
      expectRefusal(() => loadBzImage(memory, { kernel: image.subarray(0, length) }), 'ERR_KVM_BOOT_IMAGE')
      expect(memory.touched).toBe(0)
    }
  })
})

test('options that are none', () => {
  const kernel = bzImage()
  for (const options of [
    {},
    { kernel: 'x' },
    { kernel, initrd: [] },
    { kernel, rsdp: -1 },
    { kernel, extra: 1 },
  ] as never[]) {
    expectRefusal(() => loadBzImage(ram(64 * MIB), options), 'ERR_KVM_INVALID_ARGUMENT')
  }
})
