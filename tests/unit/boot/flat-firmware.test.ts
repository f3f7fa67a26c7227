import { describe, expect, test } from 'vitest'

import { type FlatOptions, loadFirmware, loadFlat, loadKernel, memoryLayout } from '../../../lib/boot/index.js'
import { expectRefusal } from '../../thrown.js'
import { bzImage, elf, multiboot1Header, multiboot2Header, vmlinux } from './images.js'
import { expectImageError } from './refusal.js'
import { GIB, MIB, ram, SparseMemory } from './sparse-memory.js'

const image = Uint8Array.of(1, 2, 3, 4)

describe('flat binaries', () => {
  const load = (options: Partial<FlatOptions>, memory = ram(2 * MIB)) => ({
    memory,
    ...loadFlat(memory, { image, address: 0x7c00, mode: 'real', ...options }),
  })

  test('real mode begins at segment 0 when that reaches, else at the segment below', () => {
    const { memory, entry } = load({})
    expect(memory.read(0x7c00, 4)).toEqual(image)
    expect(entry.regs).toEqual({ rip: 0x7c00n, rflags: 2n })
    expect(entry.sregs).toMatchObject({
      cr0: 0x10n,
      efer: 0n,
      cs: { selector: 0, base: 0n, limit: 0xffff, db: 0, g: 0 },
    })
    const high = load({ address: 0x8_1234, entry: 0x8_1236 }).entry
    expect(high.regs.rip).toBe(0x1236n)
    expect(high.sregs.cs).toMatchObject({ selector: 0x8000, base: 0x8_0000n })
  })

  test('only what the mode needs lies beside it', () => {
    expect(load({}).placed.map(({ name }) => name)).toEqual(['flat binary'])
    expect(load({ mode: 'protected', address: MIB }).placed.map(({ name }) => name)).toEqual(['GDT', 'flat binary'])
    const long = load({ mode: 'long', address: MIB })
    expect(long.placed.map(({ name }) => name)).toEqual(['GDT', 'page tables', 'flat binary'])
    expect(long.entry.sregs).toMatchObject({ efer: 0x500n, cr3: 0x2000n, cs: { l: 1 } })
  })

  test('it may lie where those would: they go elsewhere', () => {
    const { placed, entry } = load({ address: 0x1000, mode: 'long' })
    expect(placed).toEqual([
      { name: 'flat binary', start: 0x1000, size: 4 },
      { name: 'GDT', start: 0x1008, size: 48 },
      { name: 'page tables', start: 0x2000, size: 0x6000 },
    ])
    expect(entry.sregs.gdt.base).toBe(0x1008n)
    expect(load({ address: 0x7fff, mode: 'long' }).entry.sregs.cr3).toBe(0x9000n)
  })

  test('a machine of 64 KiB is enough for real mode', () => {
    expect(load({ address: 0xfffc }, ram(0x1_0000)).entry.regs.rip).toBe(0xfffcn)
  })

  test.each<[string, Partial<FlatOptions>, RegExp]>([
    ['size', { image: new Uint8Array() }, /empty/],
    ['entry', { entry: 0x7bff }, /outside/],
    ['entry', { entry: 0x7c04 }, /outside/],
    ['entry', { address: MIB }, /1 MiB/],
    ['address', { address: 2 * MIB - 3, mode: 'long' }, /RAM/],
    ['address', { address: 0x9_fbfd }, /RAM/],
  ])('%s of %o', (field, options, message) => {
    expectImageError((memory) => load(options, memory), field, undefined, message, ram(2 * MIB))
  })

  test('options that are none', () => {
    for (const options of [
      { mode: 'fast' },
      { address: -1 },
      { address: 2 ** 32 },
      { entry: 0.5 },
      { image: 'x' },
      { x: 1 },
    ] as never[]) {
      expectRefusal(() => load(options), 'ERR_KVM_INVALID_ARGUMENT')
    }
  })
})

describe('firmware', () => {
  const pattern = (size: number) => Uint8Array.from({ length: size }, (_, index) => (index >> 12) + 1)

  test('the region ends at 4 GiB, the last 256 KiB are also below 1 MiB, and the vCPU is as after reset', () => {
    const memory = ram(256 * MIB)
    const bytes = pattern(512 * 1024)
    const { rom, entry, placed } = loadFirmware(memory, { image: bytes })
    expect(rom).toEqual({ at: 0xfff8_0000, bytes })
    expect(memory.read(0xc_0000, 0x4_0000)).toEqual(bytes.subarray(0x4_0000))
    expect(entry.regs).toEqual({ rip: 0xfff0n, rflags: 2n })
    expect(entry.sregs).toMatchObject({ cr0: 0x10n, cs: { selector: 0xf000, base: 0xffff_0000n, limit: 0xffff } })
    expect(placed.map(({ start }) => start)).toEqual([0xc_0000, 0xfff8_0000])
  })

  test('one of a page, and one of 16 MiB', () => {
    const memory = ram(256 * MIB)
    expect(loadFirmware(memory, { image: pattern(4096) }).rom.at).toBe(0xffff_f000)
    expect(memory.read(0xf_f000, 4096)).toEqual(pattern(4096))
    expect(loadFirmware(ram(MIB), { image: pattern(16 * MIB) }).rom.at).toBe(0xff00_0000)
  })

  test.each([0, 1, 4095, 4097, 16 * MIB + 4096])('%i bytes are refused', (size) => {
    expectImageError((memory) => loadFirmware(memory, { image: new Uint8Array(size) }), 'size', undefined)
  })

  test('no RAM for the shadow, or memory where it is to be mapped', () => {
    const load = (memory: SparseMemory) => loadFirmware(memory, { image: pattern(4096) })
    expectImageError(load, 'size', undefined, /shadow/, new SparseMemory([{ at: 0, size: 0xa_0000 }]))
    const overlapping = new SparseMemory([
      { at: 0, size: MIB },
      { at: 0xffff_f000, size: 4096 },
    ])
    expectImageError(load, 'size', undefined, /overlap/, overlapping)
    expect(load(new SparseMemory(memoryLayout(6 * GIB).ram)).rom.at).toBe(0xffff_f000)
  })
})

describe('any kernel', () => {
  const code = new Uint8Array(0x100)
  const multiboot = (header: Uint8Array) => {
    const content = new Uint8Array(0x200)
    content.set(header, 0x14)
    return elf([{ content }], { bits: 32 })
  }

  test.each([
    ['bzimage', bzImage()],
    ['pvh', vmlinux()],
    ['elf', elf([{ content: code }])],
    ['multiboot', multiboot(multiboot1Header(0))],
    ['multiboot2', multiboot(multiboot2Header([]))],
  ])('%s is found by its header', (format, kernel) => {
    expect(loadKernel(ram(64 * MIB), { kernel }).format).toBe(format)
  })

  test('a format that is asked for counts', () => {
    expect(loadKernel(ram(64 * MIB), { kernel: vmlinux(), format: 'vmlinux' }).entry.regs.rsi).toBe(0x1_0000n)
    expect(
      loadKernel(ram(64 * MIB), { kernel: multiboot(multiboot1Header(0)), format: 'elf' }).entry.regs.rax,
    ).toBeUndefined()
    expectRefusal(
      () => loadKernel(ram(64 * MIB), { kernel: bzImage(), format: 'elf' }),
      'ERR_KVM_BOOT_IMAGE',
      /e_ident/,
    )
    expectRefusal(
      () => loadKernel(ram(64 * MIB), { kernel: bzImage(), format: 'flat' as never }),
      'ERR_KVM_INVALID_ARGUMENT',
    )
  })

  test('an initrd is a Multiboot kernel’s first module', () => {
    const memory = ram(64 * MIB)
    const modules = [{ bytes: Uint8Array.of(2) }]
    loadKernel(memory, { kernel: multiboot(multiboot1Header(0)), initrd: Uint8Array.of(1), modules })
    const list = memory.uint32(0x1_0018)
    expect([
      memory.uint32(0x1_0014),
      ...memory.read(memory.uint32(list), 1),
      ...memory.read(memory.uint32(list + 16), 1),
    ]).toEqual([2, 1, 2])
  })

  test('what a format does not have is refused, not forgotten', () => {
    const plain = elf([{ content: code }])
    const cases = [
      { kernel: plain, initrd: image },
      { kernel: plain, cmdline: 'x' },
      { kernel: plain, modules: [] },
      { kernel: bzImage(), modules: [] },
    ]
    for (const options of cases) {
      expectRefusal(() => loadKernel(ram(64 * MIB), options), 'ERR_KVM_INVALID_ARGUMENT', /left out/)
    }
  })

  test('an unknown format', () => {
    for (const kernel of [new Uint8Array(), new Uint8Array(0x1000), Buffer.from('#!/bin/sh\n')]) {
      expectImageError((memory) => loadKernel(memory, { kernel }), 'format', undefined, /no bzImage, ELF or Multiboot/)
    }
  })
})
