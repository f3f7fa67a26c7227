import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Block, type BlockFailure, type Disk } from '../../../../lib/virtio/index.js'
import { expectRefusal } from '../../../thrown.js'
import { turnsDuring } from '../../../turns.js'
import { VERSION_1 } from '../mmio-driver.js'
import * as D from './block-driver.js'

const { IOERR, OK, SECTOR, UNSUPP } = D

describe('what a driver asks for', () => {
  test('reading and writing', async () => {
    const { disk, bytes, calls } = D.memoryDisk(16)
    const driver = await D.startBlock(disk)
    const data = D.pattern(3 * SECTOR)
    expect(await driver.writeSectors(13, data)).toBe(OK)
    expect(bytes.subarray(13 * SECTOR)).toEqual(data)
    expect(await driver.readSectors(14, 2 * SECTOR)).toEqual({
      status: OK,
      data: data.subarray(SECTOR),
      written: 2 * SECTOR + 1,
    })
    expect(calls).toEqual(['write 6656 1536', 'read 7168 1024'])
  })

  test('a disk is an object with two members', async () => {
    const driver = await D.startBlock({ size: 4 * SECTOR, read: (offset, bytes) => bytes.fill(offset / SECTOR) })
    expect(await driver.readSectors(3, SECTOR)).toMatchObject({ status: OK, data: new Uint8Array(SECTOR).fill(3) })
    expect(await driver.writeSectors(0, D.pattern(SECTOR))).toBe(IOERR)
    expect(await driver.flush()).toBe(OK)
    expect(driver.block.features & D.F_RO).toBe(D.F_RO)
  })

  test('buffers may be cut anywhere, header and status too: a disk sees whole sectors', async () => {
    const { disk, bytes, calls } = D.memoryDisk(256)
    const driver = await D.startBlock(disk)
    const data = D.pattern(129 * SECTOR)
    const head = D.header(D.OUT, 1).data
    const cut = [{ data: head.subarray(0, 3) }, { data: Uint8Array.of(...head.subarray(3), ...data.subarray(0, 700)) }]
    expect((await driver.request([...cut, { data: data.subarray(700) }, { room: 1 }])).status).toBe(OK)
    expect(Buffer.compare(bytes.subarray(SECTOR, 130 * SECTOR), data)).toBe(0)
    expect(calls).toEqual(['write 512 65536', 'write 66048 512'])
    const read = await driver.request([D.header(D.IN, 1), { room: 5 }, { room: 129 * SECTOR - 4 }])
    expect([read.status, read.written, Buffer.compare(read.data, data)]).toEqual([OK, 129 * SECTOR + 1, 0])
  })

  test('its id', async () => {
    const driver = await D.startBlock(D.memoryDisk(1).disk, { id: 'root' })
    const ask = (room: number) => driver.request([D.header(D.GET_ID), { room }, { room: 1 }])
    expect(await ask(20)).toMatchObject({
      status: OK,
      data: new Uint8Array(20).fill(0).map((_, i) => 'root'.charCodeAt(i) || 0),
    })
    expect((await ask(2)).data).toEqual(Uint8Array.of(0x72, 0x6f))
    expect((await ask(30)).status).toBe(OK)
  })

  test('flushing', async () => {
    const { disk, calls } = D.memoryDisk(1)
    const driver = await D.startBlock(disk)
    expect(await driver.flush()).toBe(OK)
    expect(calls).toEqual(['flush'])
  })

  test('discarding, and writing zeroes', async () => {
    const { disk, bytes, calls } = D.memoryDisk(64)
    bytes.fill(1)
    const driver = await D.startBlock(disk)
    expect(await driver.ranges(D.DISCARD, D.segment(0, 8), D.segment(16, 1))).toBe(OK)
    expect(await driver.ranges(D.WRITE_ZEROES, D.segment(62, 2, 1))).toBe(OK)
    expect(calls).toEqual(['discard 0 4096', 'discard 8192 512', 'zero 31744 1024 true'])
    expect(bytes.subarray(62 * SECTOR).every((byte) => byte === 0)).toBe(true)
  })

  test('a driver that does not flush has every write flushed for it', async () => {
    const { disk, calls } = D.memoryDisk(4)
    const driver = await D.startBlock(disk, {}, { features: VERSION_1 })
    expect(await driver.writeSectors(0, D.pattern(SECTOR))).toBe(OK)
    expect(calls).toEqual(['write 0 512', 'flush'])
  })

  test('several queues', async () => {
    const driver = await D.startBlock(D.memoryDisk(16).disk, { queues: 3 })
    const all = [0, 1, 2].map((queue) => driver.writeSectors(queue, D.pattern(SECTOR, queue), queue))
    expect(await Promise.all(all)).toEqual([OK, OK, OK])
    expect((await driver.readSectors(2, SECTOR, 1)).data).toEqual(D.pattern(SECTOR, 2))
    expect(driver.config(34, 2)).toEqual(Uint8Array.of(3, 0))
  })

  test('what the configuration says', async () => {
    const driver = await D.startBlock({ ...D.memoryDisk(17).disk }, { blockSize: 4096 })
    expect(driver.config(0, 8)).toEqual(Uint8Array.of(16, 0, 0, 0, 0, 0, 0, 0)) // whole blocks
    expect(driver.config(12, 4)).toEqual(Uint8Array.of(254, 0, 0, 0))
    expect(driver.config(20, 4)).toEqual(Uint8Array.of(0, 16, 0, 0))
    expect(driver.config(24, 1)).toEqual(Uint8Array.of(0))
    const small = await D.startBlock(D.memoryDisk(17).disk)
    expect(small.config(24, 1)).toEqual(Uint8Array.of(3))
    for (let offset = 0; offset < 0x100; offset++) await driver.mmio.write(0x100 + offset, Uint8Array.of(0xff))
    expect(driver.config(0, 1)).toEqual(Uint8Array.of(16))
  })

  test('a disk that grows: the driver hears of it, and reaches what is new', async () => {
    const disk = { size: SECTOR, read: (_: number, bytes: Uint8Array) => bytes.fill(9) }
    const driver = await D.startBlock(disk)
    expect((await driver.readSectors(1, SECTOR)).status).toBe(IOERR)
    const before = driver.read(0xfc)
    disk.size = 2 * SECTOR
    driver.block.resized()
    expect([driver.read(0xfc), driver.config(0, 1)]).toEqual([before + 1, Uint8Array.of(2)])
    expect((await driver.readSectors(1, SECTOR)).status).toBe(OK)
    disk.size = 0
    driver.block.resized()
    expect((await driver.readSectors(0, SECTOR)).status).toBe(IOERR)
  })
})

describe('a hostile driver', () => {
  test.each<[string, number, bigint, number]>([
    ['at the end', D.IN, 16n, SECTOR],
    ['over the end', D.IN, 15n, 2 * SECTOR],
    ['far past the end', D.OUT, 2n ** 63n, SECTOR],
    ['at the last sector that a number can name', D.OUT, 2n ** 64n - 1n, SECTOR],
    ['of half a sector', D.IN, 0n, SECTOR / 2],
    ['of a byte more than a sector', D.OUT, 0n, SECTOR + 1],
  ])('a request %s is an I/O error', async (_, type, sector, length) => {
    const { disk, calls } = D.memoryDisk(16)
    const driver = await D.startBlock(disk)
    const data = type === D.IN ? { room: length } : { data: new Uint8Array(length) }
    expect((await driver.request([D.header(type, sector), data, { room: 1 }])).status).toBe(IOERR)
    expect([calls, driver.block.statistics.refused, driver.faults]).toEqual([[], 1, []])
  })

  test.each([2, 3, 5, 9, 14, 0x8000_0000, 0xffff_ffff])('type %i is not supported', async (type) => {
    const driver = await D.startBlock(D.memoryDisk(1).disk)
    expect((await driver.request([D.header(type), { room: 8 }, { room: 1 }])).status).toBe(UNSUPP)
    expect((await driver.readSectors(0, SECTOR)).status).toBe(OK)
  })

  test.each<[string, D.BlockDriver['request'] extends (buffers: infer B) => unknown ? B : never]>([
    ['a header of 15 bytes', [{ data: new Uint8Array(15) }, { room: 513 }]],
    ['no status', [D.header(D.OUT), { data: new Uint8Array(512) }]],
    ['nothing to read', [{ room: 512 }, { room: 1 }]],
  ])('%s: the device waits to be reset, and works then', async (_, buffers) => {
    const driver = await D.startBlock(D.memoryDisk(1).disk)
    void driver.send(0, buffers)
    await setImmediate()
    expect(driver.faults).toMatchObject([{ code: 'ERR_KVM_VIRTIO_DRIVER' }])
    expect(driver.status & 64).toBe(64)
    await driver.start()
    expect((await driver.readSectors(0, SECTOR)).status).toBe(OK)
  })

  test('a read without room, and a write of nothing, are done', async () => {
    const driver = await D.startBlock(D.memoryDisk(1).disk)
    expect(await driver.request([D.header(D.IN), { room: 1 }])).toEqual({
      status: OK,
      data: new Uint8Array(),
      written: 1,
    })
    expect((await driver.request([D.header(D.OUT, 1), { room: 1 }])).status).toBe(OK)
  })

  test('a read over its own status byte: the status is there in the end', async () => {
    const { disk, bytes } = D.memoryDisk(1)
    bytes.fill(0xee)
    const driver = await D.startBlock(disk)
    const address = 0x30_0000
    const at = (offset: number, length: number) => ({ address: address + offset, length, writable: true })
    expect(await driver.request([D.header(D.IN), at(0, 512), at(100, 1)])).toMatchObject({ status: OK })
    expect(driver.memory.read(address + 99, 3)).toEqual(Uint8Array.of(0xee, OK, 0xee))
  })

  test.each([
    ['an empty table', new Uint8Array(0), IOERR],
    ['a table of 17 bytes', new Uint8Array(17), IOERR],
    ['17 segments', new Uint8Array(17 * 16), IOERR],
    ['a segment past the end', D.segment(64, 1), IOERR],
    ['a segment over the end', D.segment(63, 2), IOERR],
    ['a segment whose end has no number', D.segment(2n ** 64n - 1n, 0xffff_ffff), IOERR],
    ['unknown flags', D.segment(0, 1, 2), UNSUPP],
  ])('%s', async (_, table, status) => {
    const { disk, calls } = D.memoryDisk(64)
    const driver = await D.startBlock(disk)
    expect(await driver.ranges(D.DISCARD, table)).toBe(status)
    expect(await driver.ranges(D.WRITE_ZEROES, table)).toBe(status)
    expect(await driver.ranges(D.DISCARD, D.segment(0, 1, 1))).toBe(UNSUPP)
    expect(calls).toEqual([])
  })

  test('of several ranges, one wrong: none is touched', async () => {
    const { disk, calls } = D.memoryDisk(64)
    const driver = await D.startBlock(disk)
    expect(await driver.ranges(D.WRITE_ZEROES, D.segment(0, 1), D.segment(64, 1))).toBe(IOERR)
    expect(calls).toEqual([])
  })

  test('a read-only disk stays as it is', async () => {
    const driver = await D.startBlock({ size: 64 * SECTOR, read: () => undefined })
    expect(await driver.writeSectors(0, D.pattern(SECTOR))).toBe(IOERR)
    expect(await driver.ranges(D.DISCARD, D.segment(0, 1))).toBe(UNSUPP)
    expect(await driver.ranges(D.WRITE_ZEROES, D.segment(0, 1))).toBe(UNSUPP)
  })

  test('resets with requests in flight: each is given back, and the disk is closed after the last', async () => {
    const { disk, calls } = D.memoryDisk(8)
    const slow: Disk = {
      ...disk,
      async read(offset, bytes) {
        await setImmediate()
        disk.read(offset, bytes)
      },
    }
    const driver = await D.startBlock(slow)
    for (let round = 0; round < 200; round++) {
      void driver.send(0, [
        D.header(D.IN),
        { address: 0x30_0000, length: SECTOR, writable: true },
        { address: 0x20_0000, length: 1, writable: true },
      ])
      await driver.start()
    }
    expect(calls).toHaveLength(200)
    void driver.readSectors(0, SECTOR)
    await driver.mmio.close()
    expect(calls.slice(200)).toEqual(['read 0 512', 'close'])
  })
})

describe('a request of many megabytes', () => {
  const MIB = 2 ** 20
  /** Descriptors that are all for the same memory. */
  const pieces = (count: number, writable: boolean) =>
    Array.from({ length: count }, () => ({ address: 0x30_0000, length: 320 * 1024, writable }))

  test.each(['read', 'write'] as const)('%s: the disk gets it in parts, one after the other', async (operation) => {
    const calls: { offset: number; length: number; pieces: number }[] = []
    let underWay = 0
    let mostAtOnce = 0
    const transfer = async (offset: number, all: readonly Uint8Array[]) => {
      mostAtOnce = Math.max(mostAtOnce, ++underWay)
      calls.push({ offset, length: all.reduce((sum, { length }) => sum + length, 0), pieces: all.length })
      await setImmediate()
      underWay--
    }
    const { disk } = D.memoryDisk(0)
    const driver = await D.startBlock({ ...disk, size: 16 * MIB, readv: transfer, writev: transfer })
    const [type, writable] = operation === 'read' ? [D.IN, true] : [D.OUT, false]
    const { status } = await driver.request([D.header(type, 1), ...pieces(10, writable), { room: 1 }])
    expect([status, mostAtOnce]).toEqual([OK, 1])
    expect(calls).toEqual([
      { offset: SECTOR, length: MIB, pieces: 4 },
      { offset: SECTOR + MIB, length: MIB, pieces: 4 },
      { offset: SECTOR + 2 * MIB, length: MIB, pieces: 4 },
      { offset: SECTOR + 3 * MIB, length: 128 * 1024, pieces: 1 },
    ])
    expect(driver.block.statistics[operation]).toEqual({ operations: 1, bytes: 10 * 320 * 1024, errors: 0 })
  })

  test('a disk that answers at once leaves the event loop to others between parts', async () => {
    const driver = await D.startBlock({ size: 64 * MIB, read: (_, bytes) => bytes.fill(1) })
    const turns = await turnsDuring(() => driver.request([D.header(D.IN), ...pieces(16, true), { room: 1 }]))
    expect(turns).toBeGreaterThanOrEqual(5)
  })

  test('after a part that failed, no other comes', async () => {
    const offsets: number[] = []
    const read = (offset: number) => {
      offsets.push(offset)
      if (offset >= MIB) throw new Error('EIO')
    }
    const driver = await D.startBlock({ size: 64 * MIB, read, readv: read })
    expect((await driver.request([D.header(D.IN), ...pieces(10, true), { room: 1 }])).status).toBe(IOERR)
    expect(offsets).toEqual([0, MIB])
  })
})

describe('a host that fails', () => {
  const broken = (failure: unknown) => {
    const seen: BlockFailure[] = []
    const { disk, bytes } = D.memoryDisk(4)
    let fails = true
    const failing =
      <A extends unknown[]>(act: (...args: A) => unknown) =>
      (...args: A) => {
        if (fails) throw failure
        return act(...args)
      }
    const wrapped: Disk = {
      ...disk,
      read: failing(disk.read),
      write: failing(disk.write),
      flush: () => Promise.resolve().then(failing(disk.flush)),
      discard: failing(disk.discard),
    }
    const mend = () => (fails = false)
    return { wrapped, seen, mend, bytes, onError: (each: BlockFailure) => seen.push(each) }
  }

  test('the guest gets an I/O error, the program hears of it, and later requests work', async () => {
    const failure = new Error('ENOSPC: no space left')
    const { wrapped, seen, mend, onError, bytes } = broken(failure)
    const driver = await D.startBlock(wrapped, { onError })
    expect((await driver.readSectors(1, SECTOR)).status).toBe(IOERR)
    expect(await driver.writeSectors(2, D.pattern(SECTOR))).toBe(IOERR)
    expect(await driver.flush()).toBe(IOERR)
    expect(await driver.ranges(D.DISCARD, D.segment(0, 1), D.segment(1, 1))).toBe(IOERR)
    expect(seen).toEqual([
      { error: failure, operation: 'read', offset: 512, length: 512 },
      { error: failure, operation: 'write', offset: 1024, length: 512 },
      { error: failure, operation: 'flush' },
      { error: failure, operation: 'discard', offset: 0, length: 512 },
    ])
    mend()
    expect(await driver.writeSectors(2, D.pattern(SECTOR))).toBe(OK)
    expect(bytes.subarray(1024, 1536)).toEqual(D.pattern(SECTOR))
    expect(driver.block.statistics).toEqual({
      read: { operations: 0, bytes: 0, errors: 1 },
      write: { operations: 1, bytes: 512, errors: 1 },
      flush: { operations: 0, bytes: 0, errors: 1 },
      discard: { operations: 0, bytes: 0, errors: 1 },
      writeZeroes: { operations: 0, bytes: 0, errors: 0 },
      refused: 0,
      delayed: 0,
    })
    expect(driver.faults).toEqual([])
  })

  test('a promise that never settles holds up its own request, and no other', async () => {
    const { disk } = D.memoryDisk(4)
    const stuck = {
      ...disk,
      read: (offset: number, bytes: Uint8Array) =>
        offset === 0 ? new Promise(() => undefined) : disk.read(offset, bytes),
    }
    const driver = await D.startBlock(stuck)
    void driver.readSectors(0, SECTOR)
    expect((await driver.readSectors(1, SECTOR)).status).toBe(OK)
  })
})

describe('limits', () => {
  test('requests wait, and a pause lets them go', async () => {
    const driver = await D.startBlock(D.memoryDisk(4).disk, { limits: { operations: { perSecond: 1, burst: 1 } } })
    expect((await driver.readSectors(0, SECTOR)).status).toBe(OK)
    const waiting = driver.readSectors(1, SECTOR)
    await driver.mmio.pause()
    expect((await waiting).status).toBe(OK)
    expect(driver.block.statistics.delayed).toBe(1)
    driver.mmio.resume()
  })

  test('they can be changed while requests wait', async () => {
    const driver = await D.startBlock(D.memoryDisk(4).disk, { limits: { bytes: { perSecond: 1, burst: 512 } } })
    expect((await driver.readSectors(0, SECTOR)).status).toBe(OK)
    const waiting = driver.readSectors(1, SECTOR)
    driver.block.limits = {}
    expect((await waiting).status).toBe(OK)
  })

  test('a reset takes back what waits: the disk does not see it', async () => {
    const { disk, calls } = D.memoryDisk(4)
    const driver = await D.startBlock(disk, { limits: { operations: { perSecond: 1, burst: 1 } } })
    await driver.writeSectors(0, D.pattern(SECTOR))
    void driver.writeSectors(1, D.pattern(SECTOR))
    await driver.start()
    expect(calls).toEqual(['write 0 512'])
  })
})

test.each<[string, () => unknown]>([
  ['no disk', () => new Block(undefined as never)],
  ['no read', () => new Block({ size: 512 } as never)],
  ['a size that is none', () => new Block({ size: NaN, read: () => 0 })],
  ['a method that is none', () => new Block({ size: 512, read: () => 0, flush: 3 as never })],
  ['an id that is too long', () => new Block(D.memoryDisk(1).disk, { id: 'x'.repeat(21) })],
  ['an id that nobody can print', () => new Block(D.memoryDisk(1).disk, { id: 'ü' })],
  ['17 queues', () => new Block(D.memoryDisk(1).disk, { queues: 17 })],
  ['another block size', () => new Block(D.memoryDisk(1).disk, { blockSize: 1024 as never })],
  ['an unknown option', () => new Block(D.memoryDisk(1).disk, { serial: 'x' } as never)],
])('wrong options: %s', (_, make) => {
  expectRefusal(make, 'ERR_KVM_INVALID_ARGUMENT')
})
