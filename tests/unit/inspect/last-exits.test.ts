import { describe, expect, test } from 'vitest'

import { LastExits } from '../../../lib/inspect/last-exits.js'

const data = (...bytes: number[]) => Uint8Array.from(bytes)

describe('the last exits', () => {
  test('every kind, oldest first, as a trace shows them', () => {
    const exits = new LastExits()
    expect(exits.report()).toEqual([])
    exits.io(0, true, 0x3f8, 1, 1, data(0x48))
    exits.io(1, false, 0x60, 2, 3, data(1, 2, 3, 4, 5, 6))
    exits.mmio(0, true, 0xfee0_0000, data(0x78, 0x56, 0x34, 0xf2))
    exits.mmio(0, false, 2 ** 51, data(0, 0, 0, 0, 0, 0, 0, 0))
    exits.io(0, true, 0x1f0, 4, 3, data(1, 2, 3, 4, 5, 6, 7, 255, 9, 10, 11, 12))
    exits.other(0, 'hlt')
    expect(exits.report()).toEqual([
      { vcpu: 0, exit: 'io out port 0x3f8 size 1 count 1 data 48', times: 1 },
      { vcpu: 1, exit: 'io in port 0x60 size 2 count 3', times: 1 },
      { vcpu: 0, exit: 'mmio write 0xfee00000 data 78 56 34 f2', times: 1 },
      { vcpu: 0, exit: 'mmio read 0x8000000000000 size 8', times: 1 },
      { vcpu: 0, exit: 'io out port 0x1f0 size 4 count 3 data 01 02 03 04 05 06 07 ff … (12 bytes)', times: 1 },
      { vcpu: 0, exit: 'hlt', times: 1 },
    ])
  })

  test('the same again and again takes one place, whatever there was to read', () => {
    const exits = new LastExits()
    for (let index = 0; index < 1000; index++) exits.io(0, false, 0x3fd, 1, 1, data(index & 0xff))
    exits.io(0, true, 0x80, 1, 1, data(1))
    exits.io(0, true, 0x80, 1, 1, data(2))
    exits.io(1, true, 0x80, 1, 1, data(2))
    expect(exits.report().map(({ times }) => times)).toEqual([1000, 1, 1, 1])
  })

  test('the first are forgotten', () => {
    const exits = new LastExits()
    for (let port = 0; port < 100; port++) exits.io(0, false, port, 1, 1, data(0))
    const report = exits.report()
    expect([report.length, report[0]?.exit, report.at(-1)?.exit]).toEqual([
      16,
      'io in port 0x54 size 1 count 1',
      'io in port 0x63 size 1 count 1',
    ])
  })
})
