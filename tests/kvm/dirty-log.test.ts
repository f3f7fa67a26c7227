import { expect, test } from 'vitest'

import { expectRefusal } from '../thrown.js'
import { assemble, HLT, movEs, storeByte } from './guests.js'
import { machine, runTo } from './machine.js'

const PAGE = 4096
const AT = 0x10_0000

/** A guest that writes to these pages of 0x2_0000 on, then halts. */
function writer(pages: readonly number[]): Uint8Array {
  return assemble(...pages.flatMap((page) => [movEs(0x2000 + page * 0x100), storeByte(page % 16, 1)]), HLT)
}

test('exactly the pages that the guest wrote, once', () => {
  const pages = [0, 1, 7, 8, 63, 64, 65, 99]
  using m = machine(writer([...pages, 7, 0]))
  const region = m.vm.addMemory({ at: 0x2_0000, size: 100 * PAGE, logDirtyPages: true })
  expect([...m.vm.getDirtyLog(region)]).toEqual([])
  runTo(m.vcpu, 'hlt')
  const log = m.vm.getDirtyLog(region)
  expect([...log]).toEqual(pages.map((page) => 0x2_0000 + page * PAGE))
  expect([log.count, log.pageSize, log.bitmap.length]).toEqual([8, PAGE, 16])
  const empty = m.vm.getDirtyLog(region)
  expect([[...empty], empty.count]).toEqual([[], 0])
})

test('each round has its own pages', () => {
  using m = machine(assemble([...writer([2])], [...writer([3, 2])], [...writer([4])]))
  const region = m.vm.addMemory({ at: 0x2_0000, size: 8 * PAGE, logDirtyPages: true })
  for (const pages of [[2], [2, 3], [4]]) {
    runTo(m.vcpu, 'hlt')
    expect([...m.vm.getDirtyLog(region)]).toEqual(pages.map((page) => 0x2_0000 + page * PAGE))
  }
})

test('reads of the guest and writes of the host are not in it, but for the first touch of a page', () => {
  const read = assemble(movEs(0x2000), [0x26, 0xa0, 0, 0], HLT)
  using m = machine(assemble([...read], [...read]))
  const region = m.vm.addMemory({ at: 0x2_0000, size: 8 * PAGE, logDirtyPages: true })
  region.fill(region.at, region.size, 1)
  runTo(m.vcpu, 'hlt')
  // With nested paging KVM maps a page writable at its first touch, and notes it as written.
  expect([[], [0x2_0000]]).toContainEqual([...m.vm.getDirtyLog(region)])
  runTo(m.vcpu, 'hlt')
  expect([...m.vm.getDirtyLog(region)]).toEqual([])
})

test('regions have logs of their own', () => {
  using m = machine(writer([1, 9]))
  const one = m.vm.addMemory({ at: 0x2_0000, size: 8 * PAGE, logDirtyPages: true })
  const two = m.vm.addMemory({ at: 0x2_8000, size: 8 * PAGE, logDirtyPages: true })
  runTo(m.vcpu, 'hlt')
  expect([[...m.vm.getDirtyLog(two)], [...m.vm.getDirtyLog(one)]]).toEqual([[0x2_9000], [0x2_1000]])
})

test('a region without it says so', () => {
  using m = machine(assemble(HLT))
  const region = m.vm.addMemory({ at: AT, size: PAGE })
  const error = expectRefusal(() => m.vm.getDirtyLog(region), 'ERR_KVM_IOCTL', /without logDirtyPages/)
  expect(error).toMatchObject({ ioctl: 'KVM_GET_DIRTY_LOG', errno: 2, operands: { at: AT, size: PAGE } })
})
