import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FileDisk } from '../../../lib/disk/file-disk.js'
import { expectRejection } from '../../thrown.js'
import * as D from '../virtio/block/block-driver.js'

const { IOERR, OK, SECTOR } = D
let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-kvm-disk-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
/** A file of so many bytes, which are a hole at first. */
function file(size: number): string {
  const path = join(folder, `disk${files++}.img`)
  writeFileSync(path, '')
  truncateSync(path, size)
  return path
}

test('what a guest writes is in the file, and the rest of it stays a hole', async () => {
  const path = file(2 ** 31)
  const disk = await FileDisk.open(path)
  const driver = await D.startBlock(disk)
  const data = D.pattern(4 * SECTOR)
  const last = disk.size / SECTOR - 4
  expect(await driver.writeSectors(last, data)).toBe(OK)
  expect(await driver.flush()).toBe(OK)
  expect(await driver.readSectors(last - 1, 5 * SECTOR)).toMatchObject({
    status: OK,
    data: Uint8Array.from([...new Uint8Array(SECTOR), ...data]),
  })
  await driver.mmio.close()
  expect(statSync(path).blocks).toBeLessThan(1000)
})

test('pieces of every size go to their places', async () => {
  const path = file(64 * SECTOR)
  const driver = await D.startBlock(await FileDisk.open(path))
  const data = D.pattern(9 * SECTOR)
  const lengths = [1, 511, 512, 1000, 24, 2, 9 * SECTOR - 2050]
  let at = 0
  const pieces = lengths.map((length) => ({ data: data.subarray(at, (at += length)) }))
  expect((await driver.request([D.header(D.OUT, 3), ...pieces, { room: 1 }])).status).toBe(OK)
  expect(new Uint8Array(readFileSync(path).subarray(3 * SECTOR, 12 * SECTOR))).toEqual(data)
  const rooms = lengths.map((room) => ({ room }))
  expect((await driver.request([D.header(D.IN, 3), ...rooms, { room: 1 }])).data).toEqual(data)
  await driver.mmio.close()
})

test('a file that has become shorter: an I/O error for what is gone, no other', async () => {
  const path = file(8 * SECTOR)
  const errors: unknown[] = []
  const driver = await D.startBlock(await FileDisk.open(path), { onError: ({ error }) => errors.push(error) })
  truncateSync(path, 4 * SECTOR + 100)
  expect((await driver.readSectors(3, 2 * SECTOR)).status).toBe(IOERR)
  expect((await driver.readSectors(3, SECTOR)).status).toBe(OK)
  expect(errors).toMatchObject([{ code: 'ERR_KVM_DISK', operands: { path, offset: 4 * SECTOR + 100 } }])
  await driver.mmio.close()
})

test('a file that grows', async () => {
  const path = file(SECTOR)
  const disk = await FileDisk.open(path)
  const driver = await D.startBlock(disk)
  truncateSync(path, 3 * SECTOR)
  await disk.refresh()
  driver.block.resized()
  expect(driver.config(0, 1)).toEqual(Uint8Array.of(3))
  expect(await driver.writeSectors(2, D.pattern(SECTOR))).toBe(OK)
  await driver.mmio.close()
})

test('read-only', async () => {
  const driver = await D.startBlock(await FileDisk.open(file(SECTOR), { readonly: true }))
  expect(driver.block.features & D.F_RO).toBe(D.F_RO)
  expect(await driver.writeSectors(0, D.pattern(SECTOR))).toBe(IOERR)
  await driver.mmio.close()
})

test('a raw disk whose first bytes look like qcow2 is raw', async () => {
  const path = file(4 * SECTOR)
  const magic = Uint8Array.of(0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3, ...new Uint8Array(504))
  const first = await D.startBlock(await FileDisk.open(path))
  expect(await first.writeSectors(0, magic)).toBe(OK)
  await first.mmio.close()
  const second = await D.startBlock(await FileDisk.open(path))
  expect((await second.readSectors(0, SECTOR)).data).toEqual(magic)
  await second.mmio.close()
})

test('closing waits for what is under way', async () => {
  const path = file(1024 * SECTOR)
  const disk = await FileDisk.open(path)
  const data = D.pattern(1024 * SECTOR)
  const written = disk.write?.(0, data)
  await Promise.all([disk.close(), written])
  expect(readFileSync(path).equals(data)).toBe(true)
  await expect(disk.readv(0, [new Uint8Array(SECTOR)])).rejects.toThrow()
})

test('what is no disk is refused', async () => {
  const link = join(folder, 'link')
  symlinkSync(join(folder, 'nowhere'), link)
  const fifo = join(folder, 'fifo')
  spawnSync('mkfifo', [fifo])
  const socket = join(folder, 'socket')
  const server = createServer().listen(socket)
  await once(server, 'listening')
  for (const path of [folder, link, fifo, socket, '/dev/null', join(folder, 'absent'), `${folder}/\0`]) {
    await expectRejection(FileDisk.open(path), 'ERR_KVM_DISK')
  }
  server.close()
  await expectRejection(FileDisk.open(7 as never), 'ERR_KVM_INVALID_ARGUMENT')
  await expectRejection(FileDisk.open(file(1), { readOnly: true } as never), 'ERR_KVM_INVALID_ARGUMENT')
})
