// The driver says whether it counts on a cache that it flushes (VIRTIO_BLK_F_CONFIG_WCE: virtio 1.2, 5.2.5 and 5.2.6.2).
import { expect, test } from 'vitest'
import { Block } from '../../../../lib/virtio/index.js'
import * as R from '../../../../lib/virtio/mmio-registers.js'
import { expectRefusal } from '../../../thrown.js'
import { VERSION_1 } from '../mmio-driver.js'
import * as D from './block-driver.js'

const F_CONFIG_WCE = 1n << 11n
const WRITEBACK = 32
const BOTH = VERSION_1 | D.F_FLUSH | F_CONFIG_WCE

async function started(features = BOTH) {
  const { disk, calls } = D.memoryDisk(16)
  const driver = await D.startBlock(disk, {}, { features })
  const set = (value: number) => driver.mmio.write(R.CONFIG + WRITEBACK, Uint8Array.of(value))
  const write = async () => {
    calls.length = 0
    await driver.writeSectors(0, D.pattern(512))
    return calls
  }
  return { driver, disk, calls, set, write, mode: () => driver.config(WRITEBACK, 1)[0] }
}

test('it is offered for a disk that can be written to', () => {
  const { disk } = D.memoryDisk(4)
  expect(new Block(disk).features & F_CONFIG_WCE).toBe(F_CONFIG_WCE)
  const { read, size } = disk
  expect(new Block({ read, size }).features & F_CONFIG_WCE).toBe(0n)
})

test('with the cache off each write is durable when it is done; what came before is, when the cache goes off', async () => {
  const { set, write, mode, calls } = await started()
  expect(mode()).toBe(1)
  expect(await write()).toEqual(['write 0 512'])
  calls.length = 0
  await set(0)
  expect([mode(), calls]).toEqual([0, ['flush']])
  expect(await write()).toEqual(['write 0 512', 'flush'])
  await set(0)
  await set(1)
  expect(mode()).toBe(1)
  expect(await write()).toEqual(['write 0 512'])
})

test('a reset forgets it, a state does not', async () => {
  const first = await started()
  await first.set(0)
  await first.driver.mmio.pause()
  const state = JSON.parse(JSON.stringify(first.driver.mmio.save())) as ReturnType<typeof first.driver.mmio.save>
  const second = await started()
  await second.driver.mmio.reset()
  second.driver.mmio.restore(state)
  expect(second.mode()).toBe(0)
  for (const device of [{}, { version: 1 }, { version: 2, writeThrough: true }, { version: 1, writeThrough: 1 }]) {
    expectRefusal(() => second.driver.mmio.restore({ ...state, device }), 'ERR_KVM_INVALID_STATE')
  }
  expect(second.mode()).toBe(0)
  await second.driver.start()
  expect(second.mode()).toBe(1)
})

test.each([
  ['the mode', VERSION_1 | D.F_FLUSH, 1, ['write 0 512']],
  ['flushes', VERSION_1 | F_CONFIG_WCE, 0, ['write 0 512', 'flush']],
])('a driver that has not accepted %s cannot change it', async (_, features, mode, calls) => {
  const driven = await started(features)
  for (const value of [0, 1]) {
    await driven.set(value)
    expect(driven.mode()).toBe(mode)
    expect(await driven.write()).toEqual(calls)
  }
})

test('a flush that fails when the cache goes off is told', async () => {
  const { disk } = D.memoryDisk(4)
  const failures: unknown[] = []
  const flush = () => {
    throw new Error('EIO')
  }
  const onError = (failure: unknown) => void failures.push(failure)
  const driver = await D.startBlock({ ...disk, flush }, { onError }, { features: BOTH })
  await driver.mmio.write(R.CONFIG + WRITEBACK, Uint8Array.of(0))
  expect(failures).toEqual([{ error: new Error('EIO'), operation: 'flush' }])
  expect(await driver.writeSectors(0, D.pattern(512))).toBe(D.IOERR)
})
