import { expect, test } from 'vitest'

import { DirtyLog } from '../../../lib/kvm/dirty-log.js'

test('one bit a page: the first, the last of a byte, the first of the next, the last of all', () => {
  const log = new DirtyLog(0x10_0000, 4096, Uint8Array.of(0b1000_0001, 0b1, 0, 0, 0, 0, 0, 0b1000_0000))
  expect([...log]).toEqual([0, 7, 8, 63].map((page) => 0x10_0000 + page * 4096))
  expect(log.count).toBe(4)
})

test('above 4 GiB addresses stay exact', () => {
  expect([...new DirtyLog(2 ** 51, 4096, Uint8Array.of(0, 0b10))]).toEqual([2 ** 51 + 9 * 4096])
})

test('an empty one', () => {
  const log = new DirtyLog(0, 4096, new Uint8Array(8))
  expect([[...log], log.count]).toEqual([[], 0])
})

test('it can be gone through twice', () => {
  const log = new DirtyLog(0, 4096, Uint8Array.of(1))
  expect([[...log], [...log]]).toEqual([[0], [0]])
})
