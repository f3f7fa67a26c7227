// System.map and ELF symbol tables: what is found by address and by name, and what is refused.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, describe, expect, test } from 'vitest'

import { parseSymbols, readSymbols } from '../../../lib/inspect/index.js'
import { expectRefusal } from '../../thrown.js'
import type { Field } from '../boot/images.js'
import { elfWithSymbols, LAYOUT, sectionAt, symbolAt } from './elf-image.js'
import { latin1, systemMap } from './guest.js'

const KERNEL = 0xffff_ffff_8100_0000n

const kernelMap = systemMap([
  [0n, 'D', '__per_cpu_start'],
  [KERNEL, 'T', 'startup_64'],
  [KERNEL, 'T', '_text'],
  [KERNEL + 0x100n, 't', 'early_setup'],
  [KERNEL + 0x200n, 'W', 'weak_one'],
  [KERNEL + 0x300n, 'R', 'banner'],
  [KERNEL + 0x400n, 'b', 'counter'],
])

describe('System.map', () => {
  const symbols = parseSymbols(kernelMap)

  test.each([
    [KERNEL + 0x100n, 'early_setup', 0, true],
    [KERNEL + 0x1ffn, 'early_setup', 0xff, true],
    [KERNEL + 0x200n, 'weak_one', 0, true],
    [KERNEL + 0x3ffn, 'banner', 0xff, false],
    [KERNEL + 0x400n, 'counter', 0, false],
    [0x10n, '__per_cpu_start', 0x10, false],
  ])('0x%x is %s + %i', (address, name, offset, code) => {
    expect(symbols.lookup(address)).toEqual({ name, offset, code })
  })

  test('of two names of an address the first in the file', () => {
    expect(symbols.lookup(KERNEL)?.name).toBe('startup_64')
  })
  test('before the first, and far behind one, there is nothing', () => {
    expect(parseSymbols(systemMap([[0x1000, 'T', 'a']])).lookup(0xfffn)).toBeUndefined()
    expect(symbols.lookup(KERNEL - 1n)).toBeUndefined()
    expect(symbols.lookup(KERNEL + 0x400n + 2n ** 24n)).toMatchObject({ name: 'counter' })
    expect(symbols.lookup(KERNEL + 0x401n + 2n ** 24n)).toBeUndefined()
    expect(symbols.lookup(2n ** 64n - 1n)).toBeUndefined()
  })
  test('by name', () => {
    expect(symbols.addressOf('early_setup')).toBe(KERNEL + 0x100n)
    expect(symbols.addressOf('early')).toBeUndefined()
    expect(symbols.addressOf('')).toBeUndefined()
    expect(symbols.size).toBe(7)
  })
  test('in any order, with blank lines, and without a newline at the end', () => {
    const shuffled = parseSymbols(latin1('\n2000 T b\n\n00001000 T a\n3000 T c'))
    expect([0x1000n, 0x2fffn, 0x3000n].map((address) => shuffled.lookup(address)?.name)).toEqual(['a', 'b', 'c'])
  })
  test('code before data, global before local, when they share an address', () => {
    const shared = parseSymbols(latin1('10 D data\n10 t local\n10 T global\n20 d x\n20 D y\n'))
    expect([shared.lookup(0x10n)?.name, shared.lookup(0x20n)?.name]).toEqual(['global', 'y'])
  })
  test('/proc/kallsyms, with modules', () => {
    const kallsyms = parseSymbols(latin1('ffffffffc0000000 t module_init\t[virtio]\n'))
    expect(kallsyms.lookup(0xffff_ffff_c000_0001n)?.name).toBe('module_init')
  })
  test('a name does nothing to a terminal', () => {
    expect(parseSymbols(latin1('10 T \x1b[31mred\x9b\x7f\n')).lookup(0x10n)?.name).toBe('\\x1b[31mred\\x9b\\x7f')
  })
  test('a slide moves every symbol', () => {
    const moved = symbols.withSlide(0x1e00_0000n)
    expect(moved.lookup(KERNEL + 0x1e00_0110n)).toEqual({ name: 'early_setup', offset: 0x10, code: true })
    expect(moved.addressOf('early_setup')).toBe(KERNEL + 0x1e00_0100n)
    expect([symbols.slide, moved.slide, parseSymbols(kernelMap, { slide: -16n }).slide]).toEqual([
      undefined,
      0x1e00_0000n,
      -16n,
    ])
    expect(parseSymbols(kernelMap, { slide: -16n }).lookup(KERNEL + 0xf0n)?.name).toBe('early_setup')
  })

  const refused: [string, string, RegExp][] = [
    ['nothing', '', /symbols: there are none/],
    ['blank lines', '\n\n', /there are none/],
    ['no address', '10 T a\nT b\n', /line 2, address at offset 0x7: "T b" does not begin with an address/],
    ['an address of 17 digits', `${'1'.repeat(17)} T a`, /address/],
    ['no type', '10 ', /line 1, type at offset 0x3/],
    ['a type of two letters', '10 TT a', /type/],
    ['no name', '10 T ', /line 1, name at offset 0x5: "" is no name/],
    ['a name of several words', 'ffffffffffffffff B The real System.map is in the package', /"The real System.map/],
    ['a name with NUL', '10 T a\0b', /name/],
    ['a line that is too long', `10 T ${'a'.repeat(2048)}`, /length at offset 0x0: 2053 bytes; 2048 are allowed/],
    ['more lines than any kernel has', '\n'.repeat(2 ** 21), /2097153 lines; 2097152 are allowed/],
    ['a page of a book', 'It was the best of times', /address at offset 0x0/],
  ]
  test.each(refused)('%s is refused', (_name, text, message) => {
    expectRefusal(() => parseSymbols(latin1(text)), 'ERR_KVM_BOOT_IMAGE', message)
  })
})

describe.each([32, 64] as const)('ELF of %i bits', (bits) => {
  const base = bits === 64 ? KERNEL : 0xc010_0000n
  const list = [
    { name: 'kernel.c', value: 0, type: 4, section: 0xfff1 },
    { name: 'main', value: base + 0x10n },
    { name: 'label', value: base + 0x20n, type: 0, bind: 0 },
    { name: 'table', value: base + 0x30n, type: 1, section: 2 },
    { name: 'elsewhere', value: 0, section: 0 },
    { name: 'absolute', value: 0x1234, section: 0xfff1 },
    { name: 'jump_table', value: base + 0x40n, type: 1 },
  ]
  const image = (...changes: Field[]) => elfWithSymbols(list, bits, changes)

  test('functions and labels are code, objects are not; files, undefined and absolute ones are left out', () => {
    const symbols = parseSymbols(image())
    expect(symbols.size).toBe(4)
    expect(symbols.lookup(base + 0x1fn)).toEqual({ name: 'main', offset: 0xf, code: true })
    expect(symbols.lookup(base + 0x20n)).toMatchObject({ name: 'label', code: true })
    expect(symbols.lookup(base + 0x30n)).toMatchObject({ name: 'table', code: false })
    expect(symbols.lookup(base + 0x40n)).toMatchObject({ name: 'jump_table', code: false })
    expect(symbols.addressOf('table')).toBe(base + 0x30n)
  })

  test('a name that is too long is cut off', () => {
    const symbols = parseSymbols(elfWithSymbols([{ name: 'a'.repeat(5000), value: 16 }], bits))
    expect(symbols.lookup(16n)?.name).toBe('a'.repeat(512))
  })

  const at = LAYOUT[bits]
  const word = bits === 64 ? 8 : 4
  const [offsetAt, sizeAt, linkAt, entsizeAt] = bits === 64 ? [24, 32, 40, 56] : [16, 20, 24, 36]
  const symtab = sectionAt(bits, 'symtab')
  const strtab = sectionAt(bits, 'strtab')
  const shndxAt = symbolAt(bits, 2) + (bits === 64 ? 6 : 14)
  const huge = bits === 64 ? 2n ** 63n : 0xffff_ffffn
  const refused: [string, Field[], RegExp][] = [
    ['another class', [[4, 1, 3]], /EI_CLASS at offset 0x4/],
    ['big-endian', [[5, 1, 2]], /EI_DATA at offset 0x5: 2 is not 1/],
    ['no sections', [[at.shnum, 2, 0]], /e_shnum at offset 0x\w+: no section is a symbol table: the file is stripped/],
    ['too many sections', [[at.shnum, 2, 0xffff]], /e_shnum .* 65535 sections; 4096 are allowed/],
    ['section headers past the end', [[at.shoff, word, huge]], /e_shoff/],
    ['section headers of another size', [[at.shentsize, 2, 8]], /e_shentsize/],
    ['stripped', [[symtab + 4, 4, 11]], /stripped/],
    ['symbols of another size', [[symtab + entsizeAt, word, 1]], /sh_entsize/],
    ['symbols of size 0', [[symtab + entsizeAt, word, 0]], /sh_entsize/],
    ['symbols past the end', [[symtab + offsetAt, word, huge]], /sh_offset/],
    ['more symbols than bytes', [[symtab + sizeAt, word, huge]], /sh_(offset|size)/],
    ['no symbols', [[symtab + sizeAt, word, 0]], /no symbol has an address/],
    ['names in no section', [[symtab + linkAt, 4, 99]], /sh_link .* section 99 is not a string table/],
    ['names in a section of code', [[symtab + linkAt, 4, 1]], /sh_link/],
    ['names past the end', [[strtab + sizeAt, word, huge]], /sh_(offset|size)/],
    ['a name past the string table', [[symbolAt(bits, 2), 4, 0x7fff_ffff]], /st_name .* lies past the string table/],
    ['a symbol of a section that is not there', [[shndxAt, 2, 0x100]], /st_shndx .* 256 is no section; there are 5/],
  ]
  test.each(refused)('%s is refused', (_name, changes, message) => {
    expectRefusal(() => parseSymbols(image(...changes)), 'ERR_KVM_BOOT_IMAGE', message)
  })

  test('cut off anywhere, it is refused', () => {
    const whole = image()
    const used = whole.length - 1 // the last NUL may be missing
    for (let length = 4; length < used; length++) {
      expectRefusal(() => parseSymbols(whole.subarray(0, length)), 'ERR_KVM_BOOT_IMAGE')
    }
  })
})

describe('files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'node-kvm-symbols-'))
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })
  const file = (name: string, bytes: Uint8Array) => {
    writeFileSync(join(folder, name), bytes)
    return join(folder, name)
  }

  test('the format is found out', async () => {
    const map = await readSymbols(file('System.map', kernelMap))
    const elf = await readSymbols(file('vmlinux', elfWithSymbols([{ name: 'main', value: 16 }])), { slide: 16n })
    expect([map.size, elf.lookup(32n)?.name]).toEqual([7, 'main'])
  })
  test('what is no file is refused', async () => {
    await expect(readSymbols(join(folder, 'none'))).rejects.toMatchObject({
      code: 'ERR_KVM_BOOT_IMAGE',
      message: /no such file/,
    })
    await expect(readSymbols(folder)).rejects.toMatchObject({ code: 'ERR_KVM_BOOT_IMAGE', message: /a directory/ })
  })
})

test('wrong arguments are refused', () => {
  const refuse = (call: () => unknown) => expectRefusal(call, 'ERR_KVM_INVALID_ARGUMENT')
  refuse(() => parseSymbols('10 T a' as never))
  refuse(() => parseSymbols(kernelMap, { slides: 0n } as never))
  refuse(() => parseSymbols(kernelMap, { slide: 0 as never }))
  refuse(() => parseSymbols(kernelMap, { slide: 2n ** 63n }))
  refuse(() => parseSymbols(kernelMap).lookup(-1n))
  refuse(() => parseSymbols(kernelMap).lookup(0 as never))
})
