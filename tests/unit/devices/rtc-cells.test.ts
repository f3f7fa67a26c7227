// What of the real-time clock the vCPU threads answer, and until when. The figures are those of the MC146818A data sheet.
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { BankCell, ValueCell } from '../../../lib/bus/index.js'
import { Rtc, type RtcOptions } from '../../../lib/devices/index.js'
import { fuzzRuns } from '../fuzz-runs.js'
import { bankPlace, registers, TestClock, threads } from './access.js'

const START = Date.UTC(2026, 10, 25, 23, 59, 58)
const TIME = [0x00, 0x02, 0x04, 0x06, 0x07, 0x08, 0x09, 0x32]
const STABLE = [...TIME, 0x0a, 0x0b, 0x0d].sort((a, b) => a - b)
const NS_PER_MS = 1_000_000n
const NEVER = 2n ** 64n - 1n

// The wall clock and the monotonic one stand until a test moves them.
beforeEach(() => void vi.useFakeTimers({ now: START, toFake: ['Date', 'hrtime'] }))
afterEach(() => void vi.useRealTimers())

function setUp(options: RtcOptions = {}) {
  const rtc = new Rtc({ schedule: () => () => undefined, ...options })
  const { entries: values, place } = bankPlace(rtc.cells.find((cell) => cell instanceof BankCell)!)
  const ports = registers(rtc)
  const choose = (register: number) => {
    place.chosen = register
    ports.write(0, register)
  }
  const get = (register: number) => {
    choose(register)
    return ports.read(1)
  }
  const put = (register: number, value: number) => {
    choose(register)
    ports.write(1, value)
  }
  const all = () => [...values.keys()].sort((a, b) => a - b)
  /** In how many milliseconds the latched values expire; each must be what the device answers. */
  const lasts = () => {
    const untils = new Set([...values.values()].map(({ until }) => until))
    expect(untils.size).toBe(1)
    const [until] = untils
    return until === NEVER ? Infinity : Number(until! - process.hrtime.bigint()) / Number(NS_PER_MS)
  }
  const check = () => {
    for (const [register, { value }] of [...values]) expect([register, get(register)]).toEqual([register, value])
  }
  return { rtc, place, ports, get, put, values, all, lasts, check }
}

describe('the choice of a register', () => {
  test('is posted, lazily, and masked as the device does it', () => {
    const { rtc, get } = setUp()
    const [index, data] = rtc.cells as [ValueCell, BankCell]
    expect(threads(rtc).posted).toEqual([{ offset: 0, width: 1, write: 'lazy' }])
    expect([index.chooses === data, data.offset, data.mask, data.write]).toEqual([true, 1, 0x7f, 'exit'])
    expect([get(0x8d), rtc.nmiMasked]).toEqual([0x80, true])
  })

  test('counts before the device has heard of it', () => {
    const { rtc, place } = setUp()
    place.chosen = 0x8d
    expect([rtc.nmiMasked, rtc.save().index]).toEqual([true, 0x8d])
  })
})

describe('what is latched', () => {
  test('is nothing until the guest reads', () => {
    const { all, get, check } = setUp()
    expect(all()).toEqual([])
    get(0x00)
    expect(all()).toEqual(STABLE)
    check()
  })

  test('is a byte of memory that was read, too', () => {
    const { all, get, put, check } = setUp({ contents: { bytes: { 0x40: 0x77 } } })
    expect(get(0x40)).toBe(0x77)
    expect(all()).toEqual([...STABLE, 0x40])
    put(0x40, 0x78)
    expect(get(0x40)).toBe(0x78)
    check()
  })

  test('is never register C', () => {
    const { get, all, put } = setUp()
    get(0x0c)
    expect(all()).toEqual([])
    for (let register = 0; register < 0x80; register++) get(register)
    expect(all()).toEqual(Array.from({ length: 0x80 }, (_, index) => index).filter((index) => index !== 0x0c))
    put(0x0c, 0xff)
    expect(all()).toEqual([])
  })

  test.each(Array.from({ length: 0x80 }, (_, register) => register))('is forgotten at a write of register %i', (at) => {
    const { get, put, all, check } = setUp()
    get(0x00)
    put(at, 0x01)
    expect(all()).toEqual([])
    get(0x00)
    check()
  })

  test('is forgotten when a state is restored', () => {
    const { rtc, get, put, all, check } = setUp()
    put(0x09, 0x30)
    const state = rtc.save()
    put(0x09, 0x31)
    expect(get(0x09)).toBe(0x31)
    rtc.restore(state)
    expect([all(), get(0x09)]).toEqual([[], 0x30])
    check()
  })

  test('is nothing where the clock is not the wall clock', () => {
    const { all, get } = setUp({ clock: new TestClock(BigInt(START) * NS_PER_MS) })
    for (let register = 0; register < 0x80; register++) get(register)
    expect(all()).toEqual([])
  })
})

// The wall clock may be a millisecond further than it says: an update is announced 2.228 ms before the second ends.
describe('it expires', () => {
  const UPDATE = 2.228

  test.each([0, 1, 500, 995, 996])('a millisecond before the update of that second is announced: at %i ms', (ms) => {
    vi.setSystemTime(START + ms)
    const { get, lasts } = setUp()
    get(0x00)
    expect(lasts()).toBeCloseTo(1000 - UPDATE - 1 - ms, 3)
  })

  test.each([997, 998, 999])('so nothing is latched so late in a second: at %i ms', (ms) => {
    vi.setSystemTime(START + ms)
    const { get, all } = setUp()
    get(0x00)
    get(0x0a)
    expect(all()).toEqual([])
  })

  test('before the device itself answers otherwise', () => {
    for (let ms = 0; ms < 1000; ms++) {
      vi.setSystemTime(START + ms)
      const { get, values, lasts } = setUp()
      get(0x00)
      if (values.size === 0) continue
      // At the last moment, rounded up to what the wall clock says then.
      vi.setSystemTime(START + Math.ceil(ms + lasts()))
      for (const [register, { value }] of [...values])
        expect([ms, register, get(register)]).toEqual([ms, register, value])
    }
  })

  test("in the guest's second, where the guest has set the time", () => {
    vi.setSystemTime(START + 400)
    const { get, put, lasts } = setUp()
    put(0x00, 0x10)
    expect(get(0x00)).toBe(0x10)
    expect(lasts()).toBeCloseTo(1000 - UPDATE - 1, 2)
  })

  test('counted from the monotonic clock, before the wall clock is read', () => {
    const { get, values } = setUp()
    const before = process.hrtime.bigint()
    const late = vi.spyOn(Date, 'now').mockImplementation(() => {
      vi.advanceTimersByTime(1)
      return START + 1
    })
    get(0x00)
    late.mockRestore()
    expect(Number(values.get(0x00)!.until - before) / 1e6).toBeCloseTo(1000 - UPDATE - 1 - 1, 3)
  })

  test('never while SET halts the clock, until it is cleared', () => {
    vi.setSystemTime(START + 998)
    const { get, put, values, lasts, all, check } = setUp()
    put(0x0b, 0x82)
    get(0x00)
    expect(lasts()).toBe(Infinity)
    check()
    vi.setSystemTime(START + 100_000)
    check()
    put(0x0b, 0x02)
    expect(values.size).toBe(0)
    get(0x00)
    expect(all()).toEqual(STABLE)
    expect(lasts()).toBeLessThan(1000)
  })
})

test('a guest that does anything reads what it would have read without the threads', () => {
  const step = fc.record({
    kind: fc.constantFrom('read', 'read', 'write', 'wait', 'restore'),
    register: fc.oneof(fc.nat(0x0d), fc.nat(0x7f)),
    value: fc.nat(0xff),
    ms: fc.oneof(fc.nat(20), fc.nat(1100)),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      vi.setSystemTime(START)
      const { rtc, get, put, values } = setUp()
      const plain = new Rtc({ schedule: () => () => undefined })
      const direct = registers(plain)
      for (const { kind, register, value, ms } of steps) {
        direct.write(0, register)
        if (kind === 'read') {
          const latched = values.get(register)
          const holds = latched && (latched.until === NEVER || process.hrtime.bigint() < latched.until)
          expect(holds ? latched.value : get(register)).toBe(direct.read(1))
        } else if (kind === 'write') {
          put(register, value)
          direct.write(1, value)
        } else if (kind === 'wait') vi.advanceTimersByTime(ms)
        else {
          rtc.restore({ ...rtc.save(), index: register })
          plain.restore({ ...plain.save(), index: register })
        }
      }
    }),
    fuzzRuns(),
  )
})
