// What a disk's file needs of the addon. No guest runs here.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDisk } from 'node-kvm/machine'
import { expectRejection } from '../thrown.js'
import * as D from '../unit/virtio/block/block-driver.js'

const { IOERR, OK, SECTOR } = D
let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-kvm-disks-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
function full(sectors: number): string {
  const path = join(folder, `disk${files++}.img`)
  writeFileSync(path, Buffer.alloc(sectors * SECTOR, 0xaa))
  return path
}
const zeros = (length: number) => new Uint8Array(length)

describe('room', () => {
  test('what is discarded is given back to the host', async () => {
    const path = full(2048)
    const driver = await D.startBlock(await openDisk(path))
    const before = statSync(path).blocks
    expect(await driver.ranges(D.DISCARD, D.segment(0, 1024), D.segment(1536, 512))).toBe(OK)
    expect(statSync(path).blocks).toBeLessThanOrEqual(before - 1400)
    expect(statSync(path).size).toBe(2048 * SECTOR)
    await driver.mmio.close()
  })

  test.each([0, 1])('zeroes are written, where they are asked for and nowhere else (unmap %i)', async (unmap) => {
    const driver = await D.startBlock(await openDisk(full(64)))
    expect(await driver.ranges(D.WRITE_ZEROES, D.segment(3, 20, unmap), D.segment(63, 1, unmap), D.segment(5, 0))).toBe(
      OK,
    )
    expect((await driver.readSectors(3, 20 * SECTOR)).data).toEqual(zeros(20 * SECTOR))
    expect((await driver.readSectors(63, SECTOR)).data).toEqual(zeros(SECTOR))
    for (const other of [2, 23, 62]) expect((await driver.readSectors(other, SECTOR)).data[0]).toBe(0xaa)
    await driver.mmio.close()
  })
})

describe('locks', () => {
  test('one writer, or several readers', async () => {
    const path = full(1)
    const writer = await openDisk(path)
    await expectRejection(openDisk(path), 'ERR_KVM_DISK', /is in use/)
    await expectRejection(openDisk(path, { readonly: true }), 'ERR_KVM_DISK', /somebody writes to it/)
    await writer.close()
    const readers = [await openDisk(path, { readonly: true }), await openDisk(path, { readonly: true })]
    await expectRejection(openDisk(path), 'ERR_KVM_DISK', /is in use/)
    for (const reader of readers) await reader.close()
    await (await openDisk(path)).close()
  })

  test('a machine that is over lets go of its disk', async () => {
    const path = full(1)
    const driver = await D.startBlock(await openDisk(path))
    await driver.mmio.close()
    await (await openDisk(path)).close()
  })
})

describe.runIf(process.getuid?.() === 0)('a file system that is full', () => {
  const small = () => {
    const path = join(folder, `small${files++}`)
    mkdirSync(path)
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path]).status === 0
    const unmount = () => {
      if (mounted) spawnSync('umount', [path])
    }
    return { path, mounted, [Symbol.dispose]: unmount }
  }

  test('an I/O error, nothing else is lost, and it works again when there is room', async ({ skip }) => {
    using tmpfs = small()
    if (!tmpfs.mounted) skip('no file system can be mounted here')
    const path = join(tmpfs.path, 'disk.img')
    writeFileSync(path, '')
    truncateSync(path, 2 ** 24)
    const errors: unknown[] = []
    const driver = await D.startBlock(await openDisk(path), { onError: ({ error }) => errors.push(error) })
    const piece = D.pattern(64 * 1024)
    expect(await driver.writeSectors(0, piece)).toBe(OK)
    writeFileSync(join(tmpfs.path, 'ballast'), Buffer.alloc(900 * 1024))
    let status: number | undefined = OK
    let at = 128
    for (; status === OK && at < 2048; at += 128) status = await driver.writeSectors(at, piece)
    expect([status, errors]).toMatchObject([IOERR, [{ code: 'ENOSPC' }]])
    expect(Buffer.compare((await driver.readSectors(0, piece.length)).data, piece)).toBe(0)
    rmSync(join(tmpfs.path, 'ballast'))
    expect(await driver.writeSectors(at, piece)).toBe(OK)
    expect(driver.faults).toEqual([])
    await driver.mmio.close()
  })
})
