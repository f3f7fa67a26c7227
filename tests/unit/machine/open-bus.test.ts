import { expect, test } from 'vitest'

import { OpenBus } from '../../../lib/machine/x86/open-bus.js'
import { fastPaths, registers } from '../devices/access.js'

test('ones are read and nothing is written, with JavaScript and without', () => {
  const bus = new OpenBus(8)
  const { read, write } = registers(bus)
  write(0, 0x8000_0000, 4)
  expect([read(0, 4), read(4, 2), read(7)]).toEqual([0xffff_ffff, 0xffff, 0xff])
  const { paths, posted, latched } = fastPaths()
  bus.attachFastPaths(paths)
  expect(posted).toEqual([{ offset: 0, length: 8, lazy: true }])
  expect([...latched].map(([offset, { value }]) => [offset, value])).toEqual([[0, 2n ** 64n - 1n]])
  bus.detachFastPaths()
  expect([posted.length, latched.size]).toEqual([0, 0])
})
