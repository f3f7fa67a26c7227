import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Disk } from '../../../lib/disk/disk.js'
import { type DiskOptions, openDiskWith } from '../../../lib/disk/open-disk.js'
import { expectRejection } from '../../thrown.js'
import { hasQemuImg, qemuImg, qemuIo } from './qemu-img.js'

const SECTOR = 512
const MIB = 2 ** 20
const open = (path: string, options: DiskOptions = {}) => openDiskWith(path, { format: 'qcow2', ...options }, undefined)

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-kvm-qcow2-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
const newPath = (suffix = 'qcow2') => join(folder, `disk${files++}.${suffix}`)

function create(size: number, ...args: string[]): string {
  const path = newPath()
  qemuImg('create', '-q', '-f', 'qcow2', ...args, path, String(size))
  return path
}

/** Numbers that are the same in each run. */
function random(seed: number) {
  let state = seed
  return (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Writes, zeroes, discards and flushes here and there, and does the same to `model`. */
async function scribble(disk: Disk, model: Buffer, seed: number, times = 120): Promise<void> {
  const below = random(seed)
  for (let step = 0; step < times; step++) {
    const sectors = 1 + below(below(4) === 0 ? 400 : 20)
    const offset = below(model.length / SECTOR - sectors) * SECTOR
    const length = sectors * SECTOR
    const what = below(10)
    if (what === 0) {
      await disk.writeZeroes?.(offset, length, below(2) === 0)
      model.fill(0, offset, offset + length)
    } else if (what === 1) await disk.flush?.()
    else {
      const bytes = Buffer.alloc(length, 1 + below(255))
      bytes.writeUInt32LE(step, 0)
      const cut = below(length)
      await disk.writev?.(offset, [bytes.subarray(0, cut), bytes.subarray(cut)])
      bytes.copy(model, offset)
    }
  }
}

async function contents(disk: Disk): Promise<Buffer> {
  const bytes = Buffer.alloc(disk.size)
  for (let at = 0; at < bytes.length; at += MIB) await disk.read(at, bytes.subarray(at, at + MIB))
  return bytes
}

/** That QEMU finds nothing wrong with it, and the same in it as we do. */
function agrees(path: string, model: Buffer): void {
  qemuImg('check', '-q', '-f', 'qcow2', path)
  const raw = newPath('raw')
  writeFileSync(raw, model)
  qemuImg('compare', '-q', '-f', 'qcow2', '-F', 'raw', path, raw)
  rmSync(raw)
}

describe.runIf(hasQemuImg)('images of QEMU', () => {
  test.each([
    ['version 3', ['-o', 'compat=1.1']],
    ['version 2', ['-o', 'compat=0.10']],
    ['clusters of 512 bytes', ['-o', 'cluster_size=512']],
    ['clusters of 2 MiB', ['-o', 'cluster_size=2M']],
    ['room made before', ['-o', 'preallocation=metadata']],
  ])('%s: what is written is there, for us and for QEMU', async (name, options) => {
    const size = name.includes('512') ? MIB : 8 * MIB + 3 * SECTOR
    const path = create(size, ...options)
    const model = Buffer.alloc(size)
    for (const seed of [1, 2]) {
      const disk = await open(path)
      expect(disk.size).toBe(size)
      await scribble(disk, model, seed)
      expect((await contents(disk)).equals(model)).toBe(true)
      await disk.close?.()
      agrees(path, model)
    }
    const again = await open(path, { readonly: true })
    expect([(await contents(again)).equals(model), again.write === undefined]).toEqual([true, true])
    await again.close?.()
  })

  test('compressed clusters are read, and written anew elsewhere', async () => {
    const model = Buffer.alloc(4 * MIB)
    for (let at = 0; at < model.length; at++) model[at] = (at >> 7) & 0xff
    const raw = newPath('raw')
    writeFileSync(raw, model)
    const path = newPath()
    qemuImg('convert', '-q', '-c', '-f', 'raw', '-O', 'qcow2', raw, path)
    expect(statSync(path).size).toBeLessThan(MIB)
    const disk = await open(path)
    expect((await contents(disk)).equals(model)).toBe(true)
    await scribble(disk, model, 3)
    await disk.close?.()
    agrees(path, model)
  })

  test('zero clusters, with and without room', async () => {
    const path = create(4 * MIB)
    const model = Buffer.alloc(4 * MIB, 0x11)
    qemuIo(path, 'write -P 0x11 0 4M', 'write -z 64k 192k', 'write -z -u 1M 1M')
    model.fill(0, 64 * 1024, 256 * 1024).fill(0, MIB, 2 * MIB)
    const disk = await open(path)
    expect((await contents(disk)).equals(model)).toBe(true)
    await scribble(disk, model, 4)
    await disk.close?.()
    agrees(path, model)
  })

  test('discarding gives room back, and hurts nothing', async () => {
    const path = create(4 * MIB)
    const disk = await open(path)
    await disk.write?.(0, Buffer.alloc(4 * MIB, 7))
    await disk.discard?.(MIB, 2 * MIB)
    await disk.close?.()
    qemuImg('check', '-q', path)
    const again = await open(path)
    expect((await contents(again)).subarray(3 * MIB).equals(Buffer.alloc(MIB, 7))).toBe(true)
    await again.close?.()
  })

  test('many at once: none is lost', async () => {
    const path = create(16 * MIB)
    const model = Buffer.alloc(16 * MIB)
    const disk = await open(path)
    const below = random(5)
    const all: unknown[] = []
    for (let index = 0; index < 500; index++) {
      const offset = index * 32 * 1024 + 512 * below(32)
      const bytes = Buffer.alloc(SECTOR * (1 + below(32)), index & 0xff)
      bytes.copy(model, offset)
      all.push(disk.write?.(offset, bytes))
      if (index % 50 === 0) all.push(disk.flush?.())
    }
    await Promise.all(all)
    expect((await contents(disk)).equals(model)).toBe(true)
    await disk.close?.()
    agrees(path, model)
  })

  test('more tables than are kept in memory', async () => {
    const path = create(64 * MIB, '-o', 'cluster_size=4096')
    const disk = await open(path)
    const model = Buffer.alloc(64 * MIB)
    // A table is for 2 MiB.
    for (let at = 0; at < 64 * MIB; at += 256 * 1024) {
      const bytes = Buffer.alloc(SECTOR, at / (256 * 1024))
      await disk.write?.(at, bytes)
      bytes.copy(model, at)
    }
    await disk.close?.()
    agrees(path, model)
  })
})

describe.runIf(hasQemuImg)('backing files', () => {
  const onRaw = () => {
    const base = newPath('raw')
    const model = Buffer.alloc(2 * MIB + SECTOR, 0x5a)
    writeFileSync(base, model)
    const path = create(4 * MIB, '-b', base, '-F', 'raw')
    return { base, path, model: Buffer.concat([model, Buffer.alloc(2 * MIB - SECTOR)]) }
  }

  test('what the image does not have, its backing file has', async () => {
    const { base, path, model } = onRaw()
    const before = readFileSync(base)
    const disk = await open(path, { backingFolder: folder })
    expect((await contents(disk)).equals(model)).toBe(true)
    await scribble(disk, model, 6)
    expect((await contents(disk)).equals(model)).toBe(true)
    await disk.close?.()
    agrees(path, model)
    expect(readFileSync(base).equals(before)).toBe(true)
  })

  test("a disk of one's own in its place", async () => {
    const { path } = onRaw()
    const disk = await open(path, { backing: { size: 512, read: (_, bytes) => bytes.fill(3) } })
    const bytes = new Uint8Array(1024)
    await disk.read(0, bytes)
    expect([bytes[0], bytes[511], bytes[512]]).toEqual([3, 3, 0])
    await disk.close?.()
  })

  test('images on images', async () => {
    const { path, model } = onRaw()
    const top = create(4 * MIB, '-b', path, '-F', 'qcow2')
    const disk = await open(top, { backingFolder: folder })
    await scribble(disk, model, 7)
    await disk.close?.()
    agrees(top, model)
  })

  test('nothing outside of the folder is opened, and nothing without one', async () => {
    const { path, base } = onRaw()
    await expectRejection(open(path), 'ERR_KVM_DISK', /backingFolder/)
    const inner = join(folder, `inner${files++}`)
    mkdirSync(inner)
    await expectRejection(open(path, { backingFolder: inner }), 'ERR_KVM_DISK', /outside of/)
    const link = join(inner, 'link.raw')
    symlinkSync(base, link)
    const linked = create(MIB, '-b', link, '-F', 'raw')
    await expectRejection(open(linked, { backingFolder: inner }), 'ERR_KVM_DISK', /outside of/)
    const absent = create(MIB, '-u', '-b', join(folder, 'absent'), '-F', 'raw')
    await expectRejection(open(absent, { backingFolder: folder }), 'ERR_KVM_DISK', /cannot be found/)
    const self = join(folder, 'self')
    const loop = create(MIB, '-u', '-b', self, '-F', 'qcow2')
    symlinkSync(loop, self)
    await expectRejection(open(loop, { backingFolder: folder }), 'ERR_KVM_DISK', /16 other images/)
    const other = create(MIB, '-u', '-b', base, '-F', 'vmdk')
    await expectRejection(open(other, { backingFolder: folder }), 'ERR_KVM_DISK', /raw or qcow2/)
    const alone = create(MIB)
    await expectRejection(open(alone, { backing: { size: 1, read: () => 0 } }), 'ERR_KVM_DISK', /names no backing file/)
  })
})

describe.runIf(hasQemuImg)('images that are not written to', () => {
  test('with internal snapshots: they are read', async () => {
    const path = create(MIB)
    qemuIo(path, 'write -P 9 0 64k')
    qemuImg('snapshot', '-c', 'first', path)
    await expectRejection(open(path), 'ERR_KVM_DISK', /internal snapshots/)
    const disk = await open(path, { readonly: true })
    expect((await contents(disk))[0]).toBe(9)
    await disk.close?.()
  })

  test.each([
    ['refcounts of another size', ['-o', 'refcount_bits=8'], /8 bits/],
    ['extended L2 entries', ['-o', 'extended_l2=on'], /extended L2/],
    ['compression with zstd', ['-o', 'compression_type=zstd'], /zlib/],
  ])('%s', async (_, options, why) => {
    const path = create(MIB, ...options)
    await expectRejection(open(path), 'ERR_KVM_DISK', why)
  })
})

/** Changes big-endian numbers in a file. */
function patch(path: string, ...changes: [at: number, width: 4 | 8, value: bigint | number][]): void {
  const fd = openSync(path, 'r+')
  for (const [at, width, value] of changes) {
    const bytes = Buffer.alloc(width)
    if (width === 8) bytes.writeBigUInt64BE(BigInt(value))
    else bytes.writeUInt32BE(Number(value))
    writeSync(fd, bytes, 0, width, at)
  }
  closeSync(fd)
}

describe.runIf(hasQemuImg)('hostile images', () => {
  test.each<[string, [number, 4 | 8, bigint | number][]]>([
    ['another format', [[0, 4, 0]]],
    ['version 1', [[4, 4, 1]]],
    ['version 4', [[4, 4, 4]]],
    ['clusters of 1 byte', [[20, 4, 0]]],
    ['clusters of 2^32 bytes', [[20, 4, 32]]],
    ['a size of 2^64 - 1', [[24, 8, 2n ** 64n - 1n]]],
    ['a size without a table for it', [[24, 8, 2n ** 50n]]],
    ['encryption', [[32, 4, 1]]],
    ['2^32 - 1 L1 entries', [[36, 4, 2 ** 32 - 1]]],
    ['an L1 table behind the end', [[40, 8, 2 ** 40]]],
    ['an L1 table in the middle of a cluster', [[40, 8, 0x30008]]],
    ['an L1 table nowhere', [[40, 8, 0]]],
    ['a refcount table behind the end', [[48, 8, 2 ** 40]]],
    ['a refcount table of 2^32 - 1 clusters', [[56, 4, 2 ** 32 - 1]]],
    ['an unknown feature', [[72, 8, 2n ** 40n]]],
    ['refcounts of 2^32 bits', [[96, 4, 32]]],
    ['a header of no bytes', [[100, 4, 0]]],
    ['a header of 2^32 - 8 bytes', [[100, 4, 2 ** 32 - 8]]],
    [
      "a backing file's name behind its header",
      [
        [8, 8, 2 ** 33],
        [16, 4, 10],
      ],
    ],
    [
      "a backing file's name of 2^32 - 1 bytes",
      [
        [8, 8, 120],
        [16, 4, 2 ** 32 - 1],
      ],
    ],
  ])('%s', async (_, changes) => {
    const path = create(MIB)
    patch(path, ...changes)
    await expectRejection(open(path), 'ERR_KVM_DISK')
    await expectRejection(open(path, { readonly: true }), 'ERR_KVM_DISK')
  })

  test('cut off at every place of its beginning', async () => {
    const whole = readFileSync(create(MIB))
    const path = newPath()
    for (const length of [0, 1, 4, 71, 72, 103, 104, 65_536, 131_072, 196_608, 196_615]) {
      writeFileSync(path, whole.subarray(0, length))
      await expectRejection(open(path), 'ERR_KVM_DISK')
    }
  })

  const table = (path: string, at: number) => Number(readFileSync(path).readBigUInt64BE(at) & 0x00ff_ffff_ffff_fe00n)
  /** An image with a cluster, and where its tables are. */
  const withData = () => {
    const path = create(MIB)
    qemuIo(path, 'write -P 1 0 64k')
    const l1 = table(path, 40)
    return { path, l1, l2: table(path, l1), refcounts: table(path, 48) }
  }

  test.each<[string, (of: { l1: number; refcounts: number }) => number]>([
    ['itself: the L1 table', ({ l1 }) => l1],
    ['the header', () => 2 ** 63],
    ['the refcount table', ({ refcounts }) => refcounts],
    ['behind the end', () => 2 ** 40],
    ['the middle of a cluster', ({ l1 }) => l1 + 512],
  ])('an L1 entry that refers to %s', async (_, refer) => {
    const { path, l1, refcounts } = withData()
    patch(path, [l1, 8, BigInt(refer({ l1, refcounts }))])
    const bytes = readFileSync(path)
    const disk = await open(path).catch((error: unknown) => error)
    if (disk instanceof Error) expect(disk).toMatchObject({ code: 'ERR_KVM_DISK' })
    else await (disk as Disk).close?.()
    // Whoever only reads gets something, or an error.
    const reader = await open(path, { readonly: true })
    await Promise.resolve(reader.read(0, new Uint8Array(512))).catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'ERR_KVM_DISK' })
    })
    await reader.close?.()
    expect(readFileSync(path).equals(bytes)).toBe(true)
  })

  test.each<[string, (of: { l1: number; l2: number; refcounts: number }) => bigint]>([
    ['the L1 table', ({ l1 }) => BigInt(l1)],
    ['its own L2 table', ({ l2 }) => BigInt(l2)],
    ['the refcount table', ({ refcounts }) => BigInt(refcounts)],
    ['behind the end', () => 2n ** 40n],
    ['the middle of a cluster', ({ l2 }) => BigInt(l2 + 512)],
  ])('an L2 entry that refers to %s: nobody writes there', async (_, refer) => {
    const { path, ...tables } = withData()
    patch(path, [tables.l2, 8, refer(tables) | (1n << 63n)])
    const bytes = readFileSync(path)
    const disk = await open(path)
    await expectRejection(Promise.resolve(disk.write?.(0, new Uint8Array(512))), 'ERR_KVM_DISK')
    await expectRejection(Promise.resolve(disk.read(0, new Uint8Array(512))), 'ERR_KVM_DISK')
    await disk.close?.()
    expect(readFileSync(path).equals(bytes)).toBe(true)
  })

  test('a cluster that is shared without a snapshot is not written to', async () => {
    const { path, l2 } = withData()
    patch(path, [l2, 8, BigInt(table(path, l2))])
    const disk = await open(path)
    await expectRejection(Promise.resolve(disk.write?.(0, new Uint8Array(512))), 'ERR_KVM_DISK', /not its own/)
    await disk.close?.()
  })

  test('a compressed cluster that is none, or unpacks to more', async () => {
    const { path, l2 } = withData()
    for (const entry of [(1n << 62n) | 0x5_0000n, (1n << 62n) | 0x5_0001n | (3n << 54n), (1n << 62n) | (2n ** 53n)]) {
      patch(path, [l2, 8, entry])
      const disk = await open(path)
      await expectRejection(Promise.resolve(disk.read(0, new Uint8Array(512))), 'ERR_KVM_DISK')
      await disk.close?.()
    }
  })

  test('any bit of its tables turned: an error, or something, and never an end', { timeout: 120_000 }, async () => {
    const { path, l1, l2, refcounts } = withData()
    const broken = newPath()
    const below = random(8)
    for (let round = 0; round < 150; round++) {
      copyFileSync(path, broken)
      const base = [0, l1, l2, refcounts][round % 4] ?? 0
      const at = base + 8 * below(4)
      patch(broken, [at, 8, readFileSync(path).readBigUInt64BE(at) ^ (1n << BigInt(below(64)))])
      try {
        const disk = await open(broken)
        await Promise.allSettled([
          disk.read(0, new Uint8Array(4096)),
          disk.write?.(4096, new Uint8Array(512)),
          disk.write?.(MIB - 512, new Uint8Array(512)),
        ])
        await disk.close?.()
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_KVM_DISK' })
      }
      expect(statSync(broken).size).toBeLessThan(2 * MIB)
    }
  })
})
