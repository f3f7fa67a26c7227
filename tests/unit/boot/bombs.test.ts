// Small images that ask for much: the work of loaders and unpackers is linear in what goes in and what comes out. Each of these
// kept a loader busy for minutes or for days, or would.
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'

import { kernelFormat, loadElf, unpackKernel } from '../../../lib/boot/index.js'
import { parseSymbols } from '../../../lib/inspect/index.js'
import { expectRefusal } from '../../thrown.js'
import { elfWithSymbols, LAYOUT, sectionAt, symbolAt } from '../inspect/elf-image.js'
import { bzImage, elf, PT_NOTE, setField, uint32 } from './images.js'
import { MIB, ram } from './sparse-memory.js'

/** The time that a test has is the bound; it is far more than any of them takes. */
const LIMIT = 30_000

function repeated(bytes: readonly number[], times: number): Uint8Array {
  return Buffer.alloc(bytes.length * times, Uint8Array.from(bytes))
}

const kernel = (payload: Uint8Array, size: number) => bzImage({}, Buffer.concat([payload, uint32(size)]))
const unpacked = (payload: Uint8Array, size: number) =>
  unpackKernel(kernel(payload, size)).catch((error: unknown) => error)
const refused = { code: 'ERR_KVM_BOOT_IMAGE' }

describe('zstd', () => {
  const MAGIC = [0x28, 0xb5, 0x2f, 0xfd]
  const WINDOW_128_MIB = [0, 0x88]
  const LAST = [1, 0, 0]

  test('a million empty blocks in a frame with a large window', { timeout: LIMIT }, async () => {
    const blocks = repeated([0, 0, 0], 1_000_000)
    const payload = Buffer.concat([Uint8Array.from([...MAGIC, ...WINDOW_128_MIB]), blocks, Uint8Array.from(LAST)])
    expect(await unpacked(payload, 0)).toHaveLength(0)
    expect(await unpacked(payload, 1)).toMatchObject(refused)
  })

  test('a hundred thousand frames, each with a large window', { timeout: LIMIT }, async () => {
    const payload = repeated([...MAGIC, ...WINDOW_128_MIB, ...LAST], 100_000)
    expect(await unpacked(payload, 0)).toHaveLength(0)
  })

  test('blocks of 98,000 matches of 64 KiB that go past the end', { timeout: LIMIT }, async () => {
    // One literal; then sequences whose codes stand for no literal, the last offset, and a match of 65539 bytes or more.
    const bits = repeated([0xff], 1000)
    const content = [0x08, 0xaa, 0xff, 0xff, 0xff, 0x54, 0, 0, 52, ...bits]
    const header = [content.length * 8 + 4, ((content.length * 8) >> 8) & 0xff, (content.length * 8) >> 16]
    const block = [...[(header[0] ?? 0) & 0xff, header[1] ?? 0, header[2] ?? 0], ...content]
    const payload = Buffer.concat([Uint8Array.from([...MAGIC, ...WINDOW_128_MIB]), repeated(block, 200)])
    expect(await unpacked(payload, 2 ** 29)).toMatchObject(refused)
  })
})

describe('other compressions', () => {
  test('lz4: a million empty blocks, and as many frames', { timeout: LIMIT }, async () => {
    const magic = [0x02, 0x21, 0x4c, 0x18]
    for (const bytes of [[0, 0, 0, 0], magic]) {
      const payload = Buffer.concat([Uint8Array.from(magic), repeated(bytes, 1_000_000)])
      expect(await unpacked(payload, 0)).toHaveLength(0)
    }
  })

  test('gzip: a hundred thousand empty members', { timeout: LIMIT }, async () => {
    const payload = repeated([...gzipSync('')], 100_000)
    expect(await unpackKernel(bzImage({}, payload))).toHaveLength(0)
  })

  test('xz: more blocks than a kernel has', { timeout: LIMIT }, async () => {
    const index = [0, 0x81, 0x08, ...repeated([0x08, 0x00], 1025)] // 1025 records
    const padding = new Array<number>(-index.length & 3).fill(0)
    const size = (index.length + padding.length + 4) / 4 - 1
    const header = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0, 0, 0, 0, 0]
    const footer = [0, 0, 0, 0, ...uint32(size), 0, 0, 0x59, 0x5a]
    const payload = Buffer.concat([
      Uint8Array.from(header),
      new Uint8Array(1025 * 8),
      Uint8Array.from([...index, ...padding, 0, 0, 0, 0, ...footer]),
    ])
    expect(await unpacked(payload, 0)).toMatchObject({ ...refused, message: /1025 blocks; 1024 are supported/ })
  })
})

describe('ELF', () => {
  const NOTES = 4 * MIB

  test('127 segments that share a million empty notes', { timeout: LIMIT }, () => {
    const note = { type: PT_NOTE, offset: 64 + 128 * 56 + 1, filesz: NOTES, align: 8 }
    const image = elf([{ content: Uint8Array.of(0xf4) }, ...Array.from({ length: 126 }, () => note)])
    const whole = new Uint8Array(image.length + NOTES)
    whole.set(image)
    expect(kernelFormat(whole)).toBe('elf')
  })

  test('headers that share a large content and take no memory', { timeout: LIMIT }, () => {
    const large = Array.from({ length: 65_000 }, () => ({ type: PT_NOTE, offset: 0, filesz: 3 * MIB }))
    const image = elf([{ content: Uint8Array.of(0xf4) }, ...large])
    expect(kernelFormat(image)).toBe('elf')
    expect(loadElf(ram(16 * MIB), { image }).entry.regs.rip).toBe(0x10_0000n)
  })
})

describe('symbols', () => {
  test('two hundred thousand symbols with the same name of a megabyte', { timeout: LIMIT }, () => {
    const count = 200_000
    const small = elfWithSymbols([{ name: 'x'.repeat(MIB), value: 16 }])
    const size = LAYOUT[64].symbolSize
    const one = small.subarray(symbolAt(64, 1), symbolAt(64, 2))
    const table = small.length
    const image = Buffer.concat([small, Buffer.alloc(count * size, one)])
    setField(image, [sectionAt(64, 'symtab') + 24, 8, table])
    setField(image, [sectionAt(64, 'symtab') + 32, 8, count * size])
    const symbols = parseSymbols(image)
    expect(symbols.size).toBe(count)
    expect(symbols.lookup(16n)?.name).toHaveLength(512)
    expect(symbols.addressOf('x'.repeat(512))).toBe(16n)
    expect(symbols.addressOf('y'.repeat(512))).toBeUndefined()
  })

  test('a System.map of one endless line, and one of empty lines', { timeout: LIMIT }, () => {
    expectRefusal(() => parseSymbols(Buffer.alloc(16 * MIB, 0x61)), 'ERR_KVM_BOOT_IMAGE', /bytes; 2048/)
    expectRefusal(() => parseSymbols(Buffer.alloc(4 * MIB, 0x0a)), 'ERR_KVM_BOOT_IMAGE', /lines; 2097152/)
  })
})
