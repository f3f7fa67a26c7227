import { expect, test } from 'vitest'

import { OpenBus } from '../../../lib/machine/x86/open-bus.js'
import { registers, threads } from '../devices/access.js'

test('ones are read and nothing is written, with JavaScript and without', () => {
  const bus = new OpenBus(8)
  const { read, write } = registers(bus)
  write(0, 0x8000_0000, 4)
  expect([read(0, 4), read(4, 2), read(7)]).toEqual([0xffff_ffff, 0xffff, 0xff])
  const { posted, values } = threads(bus)
  expect(posted).toEqual([{ offset: 0, width: 8, write: 'lazy' }])
  expect([...values]).toEqual([[0, { value: 2n ** 64n - 1n, width: 8 }]])
})

test.each([1, 7, 8, 9, 20])('of %i addresses, each one is answered', (length) => {
  const { posted, values } = threads(new OpenBus(length))
  const widths = posted.map(({ width }) => width)
  expect([widths.reduce((sum, width) => sum + width, 0), Math.max(...widths) <= 8]).toEqual([length, true])
  expect([...values].map(([offset, { width }]) => [offset, width])).toEqual(
    posted.map(({ offset, width }) => [offset, width]),
  )
})
