// Requests of many clusters, images that have no room, and what is open after a failure.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Disk } from '../../../lib/disk/disk.js'
import { openDiskWith } from '../../../lib/disk/open-disk.js'
import { readHeader } from '../../../lib/disk/qcow2/header.js'
import { ImageFile } from '../../../lib/disk/qcow2/image-file.js'
import { Qcow2Disk } from '../../../lib/disk/qcow2/qcow2-disk.js'
import { expectRejection } from '../../thrown.js'
import { turnsDuring } from '../../turns.js'
import { hasQemuImg, qemuImg } from './qemu-img.js'

const MIB = 2 ** 20
let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-kvm-large-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
function create(size: number, ...args: string[]): string {
  const path = join(folder, `disk${files++}.qcow2`)
  qemuImg('create', '-q', '-f', 'qcow2', ...args, path, String(size))
  return path
}

describe.runIf(hasQemuImg)('requests of many clusters', () => {
  /** 64 MiB in 16384 clusters, none of which is there: nothing to wait for. */
  const open = () => openDiskWith(create(64 * MIB, '-o', 'cluster_size=4096'), { format: 'qcow2' }, undefined)

  test.each<[string, (disk: Disk) => unknown]>([
    ['reading', (disk) => disk.readv?.(0, Array<Uint8Array>(64).fill(new Uint8Array(MIB)))],
    ['discarding', (disk) => disk.discard?.(0, 64 * MIB)],
    ['writing zeroes', (disk) => disk.writeZeroes?.(0, 64 * MIB, true)],
  ])('%s leaves the event loop to others', async (_, act) => {
    const disk = await open()
    expect(await turnsDuring(() => act(disk))).toBeGreaterThan(10)
    await disk.close?.()
  })

  test('several at once share their turns', async () => {
    const disk = await open()
    const read = () => disk.read(0, new Uint8Array(4 * MIB))
    expect(await turnsDuring(() => Promise.all(Array.from({ length: 16 }, read)))).toBeGreaterThan(10)
    await disk.close?.()
  })

  /** An image on a disk that counts how many reads are under way, and fails at some. */
  const onCounted = async (fails = (_: number) => false) => {
    const path = create(8 * MIB, '-u', '-b', 'none', '-F', 'raw')
    const counts = { underWay: 0, most: 0, reads: 0 }
    const backing: Disk = {
      size: 8 * MIB,
      async read(offset) {
        counts.reads++
        counts.most = Math.max(counts.most, ++counts.underWay)
        await setImmediate()
        counts.underWay--
        if (fails(offset)) throw new Error('EIO')
      },
    }
    return { counts, disk: await openDiskWith(path, { format: 'qcow2', backing }, undefined) }
  }

  test('few parts are under way at once', async () => {
    const { counts, disk } = await onCounted()
    await disk.readv?.(0, Array<Uint8Array>(128).fill(new Uint8Array(65_536)))
    expect(counts).toEqual({ underWay: 0, most: 8, reads: 128 })
    await disk.close?.()
  })

  test('after a failure nothing is under way, and no more begins', async () => {
    const { counts, disk } = await onCounted((offset) => offset === 65_536)
    await expect(disk.read(0, new Uint8Array(8 * MIB))).rejects.toThrow('EIO')
    expect(counts.underWay).toBe(0)
    expect(counts.reads).toBeLessThan(20)
    await disk.close?.()
  })
})

describe.runIf(hasQemuImg)('refcounts without room', () => {
  test('an image that cannot take all its data is read only, and the message says what to do', async () => {
    // 64 blocks, each for 256 clusters of 512 bytes.
    const path = create(8 * MIB, '-o', 'cluster_size=512')
    const opening = openDiskWith(path, { format: 'qcow2' }, undefined)
    await expectRejection(opening, 'ERR_KVM_DISK', /no room for all.*qemu-img convert.*readonly/)
    const reader = await openDiskWith(path, { format: 'qcow2', readonly: true }, undefined)
    await reader.close?.()
    const larger = join(folder, 'larger.qcow2')
    qemuImg('convert', '-f', 'qcow2', '-O', 'qcow2', '-o', 'cluster_size=64K', path, larger)
    await (await openDiskWith(larger, { format: 'qcow2' }, undefined)).close?.()
  })

  test('the largest that is opened takes all of its data', async () => {
    const perDisk = async (size: number) => {
      const path = create(size, '-o', 'cluster_size=512')
      return { path, disk: await openDiskWith(path, { format: 'qcow2' }, undefined).catch(() => undefined) }
    }
    let size = 8 * MIB
    let found = await perDisk(size)
    while (found.disk === undefined) found = await perDisk((size -= 65_536))
    expect(size).toBeGreaterThan(7.5 * MIB)
    for (let at = 0; at < size; at += 16_384) await found.disk.write?.(at, Buffer.alloc(16_384, 1 + (at & 0x7f)))
    await found.disk.close?.()
    qemuImg('check', '-q', '-f', 'qcow2', found.path)
  })
})

describe.runIf(hasQemuImg)('what is open after a failure', () => {
  const openFiles = () => readdirSync('/proc/self/fd').length
  /** An image that only its backing file opens well: its L2 table is its refcount table. */
  const brokenOverlay = (base: string) => {
    const path = create(MIB, '-b', base, '-F', 'raw')
    const bytes = readFileSync(path)
    const l1 = Number(bytes.readBigUInt64BE(40))
    bytes.writeBigUInt64BE(bytes.readBigUInt64BE(48) | (1n << 63n), l1)
    writeFileSync(path, bytes)
    return path
  }

  test('an image that cannot be opened leaves nothing open, nor its backing file', async () => {
    const base = join(folder, 'base.raw')
    writeFileSync(base, new Uint8Array(MIB))
    const path = brokenOverlay(base)
    const open = () => openDiskWith(path, { format: 'qcow2', backingFolder: folder }, undefined)
    await expectRejection(open(), 'ERR_KVM_DISK')
    const before = openFiles()
    for (let times = 0; times < 5; times++) await expectRejection(open(), 'ERR_KVM_DISK')
    expect(openFiles()).toBe(before)
  })

  test("the caller's own backing disk stays open", async () => {
    const base = join(folder, 'own.raw')
    writeFileSync(base, new Uint8Array(MIB))
    let isClosed = false
    const backing: Disk = { size: MIB, read: () => undefined, close: () => (isClosed = true) }
    await expectRejection(openDiskWith(brokenOverlay(base), { format: 'qcow2', backing }, undefined), 'ERR_KVM_DISK')
    expect(isClosed).toBe(false)
  })

  test('the backing disk is closed though the image could not be', async () => {
    const bytes = readFileSync(create(MIB))
    let isClosed = false
    const below: Disk = {
      size: bytes.length,
      read: (offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
      close: () => Promise.reject(new Error('EIO')),
    }
    const backing: Disk = { size: 0, read: () => undefined, close: () => (isClosed = true) }
    const header = readHeader('image', bytes, bytes.length)
    const disk = await Qcow2Disk.open(new ImageFile('image', below), header, true, backing)
    await expect(disk.close()).rejects.toThrow('EIO')
    expect(isClosed).toBe(true)
  })
})
