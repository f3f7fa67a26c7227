// Register numbers and figures are those of the MC146818A data sheet.
import { describe, expect, test } from 'vitest'

import { Rtc, type RtcOptions } from '../../../lib/devices/index.js'
import { expectRefusal } from '../../thrown.js'
import { interruptLine, registers, TestClock } from './access.js'

const MIB = 2 ** 20
const GIB = 2 ** 30
const START = BigInt(Date.UTC(2026, 10, 25, 23, 59, 58)) * 1_000_000n
const TIME = [0x09, 0x08, 0x07, 0x04, 0x02, 0x00]

function setUp(options: Partial<RtcOptions> = {}) {
  const clock = new TestClock(START)
  const interrupt = interruptLine()
  const rtc = new Rtc({ clock, schedule: clock.schedule, interrupt, ...options })
  const ports = registers(rtc)
  const get = (register: number) => {
    ports.write(0, register)
    return ports.read(1)
  }
  const put = (register: number, value: number) => {
    ports.write(0, register)
    ports.write(1, value)
  }
  const time = () => TIME.map((register) => get(register).toString(16).padStart(2, '0')).join(' ')
  return { rtc, clock, interrupt, ports, get, put, time }
}

describe('the time', () => {
  test('is in BCD and 24 hours at first, with weekday and century', () => {
    const { get, time } = setUp()
    expect(time()).toBe('26 11 25 23 59 58')
    expect([get(0x06), get(0x32)]).toEqual([4, 0x20])
  })

  test('goes on with the clock, over midnight and the year', () => {
    const { clock, time } = setUp()
    clock.pass(2)
    expect(time()).toBe('26 11 26 00 00 00')
    clock.pass(36 * 86_400 + 1)
    expect(time()).toBe('27 01 01 00 00 01')
  })

  test('in binary, and in 12 hours', () => {
    const { clock, put, time } = setUp()
    put(0x0b, 0x06)
    expect(time()).toBe('1a 0b 19 17 3b 3a')
    put(0x0b, 0x00)
    expect(time()).toBe('26 11 25 91 59 58')
    clock.pass(2)
    expect(time()).toBe('26 11 26 12 00 00')
  })

  test('can be set while SET is on, and goes on from there', () => {
    const { clock, put, time } = setUp()
    put(0x0b, 0x82)
    TIME.forEach((register, index) => put(register, [0x99, 0x12, 0x31, 0x23, 0x59, 0x59][index]!))
    put(0x32, 0x19)
    clock.pass(10)
    expect(time()).toBe('99 12 31 23 59 59')
    put(0x0b, 0x02)
    clock.pass(1)
    expect(time()).toBe('00 01 01 00 00 00')
  })

  test('a register written without SET counts too', () => {
    const { put, time } = setUp()
    put(0x04, 0x07)
    expect(time()).toBe('26 11 25 07 59 58')
  })

  test('what is no date does no harm', () => {
    const { put, get } = setUp()
    put(0x0b, 0x82)
    for (const register of [...TIME, 0x32]) put(register, 0xff)
    put(0x0b, 0x02)
    for (const register of TIME) expect(get(register)).toBeLessThanOrEqual(0xff)
  })

  test('an update is announced for the last 2.2 ms of each second (figure 17)', () => {
    const { clock, get, put } = setUp()
    expect(get(0x0a)).toBe(0x26)
    clock.set(START + 997_700_000n)
    expect(get(0x0a)).toBe(0x26)
    clock.set(START + 997_800_000n)
    expect(get(0x0a)).toBe(0xa6)
    put(0x0b, 0x82)
    expect(get(0x0a)).toBe(0x26)
  })

  test('follows a wall clock that jumps back', () => {
    const { clock, time } = setUp()
    clock.set(START - 3_600_000_000_000n)
    expect(time()).toBe('26 11 25 22 59 58')
  })
})

describe('memory', () => {
  const contents = (below: number, above = 0) => setUp({ contents: { memoryBelow4G: below, memoryAbove4G: above } }).get
  const word = (get: (register: number) => number, register: number, bytes = 2) =>
    Array.from({ length: bytes }, (_, index) => get(register + index) * 0x100 ** index).reduce((a, b) => a + b)

  test.each([
    ['512 KiB', MIB / 2, 0, [512, 0, 0, 0, 0]],
    ['8 MiB', 8 * MIB, 0, [640, 7168, 7168, 0, 0]],
    ['256 MiB', 256 * MIB, 0, [640, 0xffff, 0xffff, 3840, 0]],
    ['3 GiB and 3 GiB above', 3 * GIB, 3 * GIB, [640, 0xffff, 0xffff, 0xbf00, 0xc000]],
  ])('%s, as firmware reads its size', (_, below, above, expected) => {
    const get = contents(below, above)
    expect([word(get, 0x15), word(get, 0x17), word(get, 0x30), word(get, 0x34), word(get, 0x5b, 3)]).toEqual(expected)
  })

  test('has the number of CPUs, and bytes of the caller', () => {
    const { get } = setUp({ contents: { cpus: 8, bytes: { 0x38: 0x12 } } })
    expect([get(0x5f), get(0x38)]).toEqual([7, 0x12])
    expectRefusal(() => setUp({ contents: { bytes: { 0x0d: 1 } } }), 'ERR_KVM_INVALID_ARGUMENT')
    expectRefusal(() => setUp({ contents: { bytes: { 0x80: 1 } } }), 'ERR_KVM_INVALID_ARGUMENT')
  })

  test('the guest writes the shutdown byte and masks the NMI', () => {
    const { rtc, put, ports } = setUp()
    put(0x8f, 0x0a)
    expect([rtc.shutdownByte, rtc.nmiMasked]).toEqual([0x0a, true])
    ports.write(0, 0)
    expect([rtc.nmiMasked, ports.read(0)]).toEqual([false, 0xff])
  })

  test('registers C and D cannot be written; the battery is good', () => {
    const { put, get } = setUp()
    put(0x0c, 0xff)
    put(0x0d, 0x00)
    expect([get(0x0c), get(0x0d)]).toEqual([0, 0x80])
  })
})

describe('interrupts', () => {
  test('update: each second, until C is read', () => {
    const { clock, interrupt, put, get } = setUp()
    put(0x0b, 0x12)
    clock.pass(0.9)
    expect(interrupt.level).toBe(false)
    clock.pass(0.2)
    expect([interrupt.level, get(0x0c) & 0xb0, interrupt.level, get(0x0c)]).toEqual([true, 0x90, false, 0])
    clock.pass(1)
    expect(interrupt.level).toBe(true)
  })

  test('alarm: at its time, and not before', () => {
    const { clock, interrupt, put, get } = setUp()
    put(0x01, 0x05)
    put(0x03, 0x00)
    put(0x05, 0x00)
    put(0x0b, 0x22)
    clock.pass(6)
    expect(interrupt.level).toBe(false)
    clock.pass(1)
    expect([interrupt.level, get(0x0c) & 0xb0]).toEqual([true, 0xb0])
  })

  test('alarm: registers that match anything', () => {
    const { clock, put, get } = setUp()
    for (const register of [0x01, 0x03, 0x05]) put(register, 0xff)
    put(0x0b, 0x22)
    clock.pass(1)
    expect(get(0x0c) & 0x20).toBe(0x20)
  })

  test('periodic, at the rate of A (table 5)', () => {
    const { clock, interrupt, put, get } = setUp()
    put(0x0a, 0x2f)
    put(0x0b, 0x42)
    clock.pass(0.49)
    expect(interrupt.level).toBe(false)
    clock.pass(0.02)
    expect([interrupt.level, get(0x0c) & 0xc0]).toEqual([true, 0xc0])
  })

  test('no timer runs when none is enabled, nor after close', () => {
    const { rtc, clock, put } = setUp()
    expect(clock.timers).toBe(0)
    put(0x0b, 0x72)
    expect(clock.timers).toBe(1)
    put(0x0b, 0x02)
    expect(clock.timers).toBe(0)
    put(0x0b, 0x12)
    rtc.close()
    expect(clock.timers).toBe(0)
  })

  test('a host that slept for a year costs no more than a day of alarms', () => {
    const { clock, put, get } = setUp()
    put(0x0b, 0x22)
    clock.set(START + 31_536_000_000_000_000n)
    expect(get(0x0c) & 0x20).toBe(0x20)
  })
})

test('a saved state keeps the time that the guest set, and its memory', () => {
  const { rtc, put } = setUp()
  put(0x09, 0x30)
  put(0x40, 0x77)
  const other = setUp()
  other.rtc.restore(JSON.parse(JSON.stringify(rtc.save())) as ReturnType<Rtc['save']>)
  other.clock.pass(1)
  expect([other.time(), other.get(0x40)]).toEqual(['30 11 25 23 59 59', 0x77])
  const state = rtc.save()
  for (const wrong of [{ offset: Infinity }, { offset: NaN }, { cmos: state.cmos.slice(1) }, { index: 256 }]) {
    expectRefusal(() => rtc.restore({ ...state, ...wrong }), 'ERR_KVM_INVALID_STATE')
  }
})

test('once closed, it sets no timer, whatever the guest writes', () => {
  const { rtc, clock, put } = setUp()
  rtc.close()
  put(0x0b, 0x72)
  rtc.restore(rtc.save())
  expect(clock.timers).toBe(0)
})

test('a reset ends its interrupts; the time that the guest set and its memory have a battery', () => {
  const { rtc, clock, interrupt, put, get, time } = setUp()
  put(0x09, 0x30)
  put(0x40, 0x77)
  put(0x0b, 0x12)
  clock.pass(1)
  expect(interrupt.level).toBe(true)
  rtc.reset()
  expect([interrupt.level, clock.timers, get(0x0b), get(0x0c)]).toEqual([false, 0, 0x02, 0])
  expect([time().slice(0, 8), get(0x40)]).toEqual(['30 11 25', 0x77])
})

test('paused, it does not interrupt; resumed, it does at once for what has happened', () => {
  const { rtc, clock, interrupt, put, get } = setUp()
  put(0x0b, 0x12)
  rtc.pause()
  clock.pass(5)
  expect([interrupt.level, clock.timers]).toEqual([false, 0])
  rtc.resume()
  expect([interrupt.level, get(0x0c), clock.timers]).toEqual([true, 0xd0, 1])
})
