// What of power management the vCPU threads answer: it must be what the device would have answered.
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { AcpiPm, type AcpiPmOptions, acpiPmRegisters as R } from '../../../lib/devices/index.js'
import { fuzzRuns } from '../fuzz-runs.js'
import { interruptLine, registers, TestClock, threads, valueAt } from './access.js'

// The monotonic clock stands until a test moves it.
beforeEach(() => void vi.useFakeTimers({ toFake: ['hrtime', 'setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

function setUp(options: AcpiPmOptions = {}) {
  const interrupt = interruptLine()
  const pm = new AcpiPm({ interrupt, ...options })
  /** What a thread answers. */
  const counted = () => {
    const { value, epoch, frequency, bits } = threads(pm).counters[0]!.start
    const now = process.hrtime.bigint()
    const elapsed = now > epoch ? now - epoch : 0n
    return Number(BigInt.asUintN(bits, value + (elapsed * BigInt(frequency)) / 1_000_000_000n))
  }
  const latched = (offset: number) => Number(valueAt(pm, offset))
  return { pm, interrupt, counted, latched, ...registers(pm) }
}

describe('the timer', () => {
  test.each([24, 32] as const)('of %i bits is offered as a counter of four bytes', (timerBits) => {
    const { pm, counted, read } = setUp({ timerBits })
    const [timer] = threads(pm).counters
    expect(timer).toMatchObject({ offset: R.PM_TIMER, width: 4, start: { frequency: 3_579_545, bits: timerBits } })
    for (const ms of [0, 1, 999, 1, 10_000, 2 ** 24, 2 ** 31 - 1]) {
      vi.advanceTimersByTime(ms)
      expect(counted()).toBe(read(R.PM_TIMER, 4))
    }
  })

  test('that goes on from a saved state does so for the threads, too', () => {
    const { pm, counted, read } = setUp()
    vi.advanceTimersByTime(123)
    const state = pm.save()
    vi.advanceTimersByTime(456)
    pm.restore(state)
    expect([counted(), read(R.PM_TIMER, 4)]).toEqual([state.timer, state.timer])
    vi.advanceTimersByTime(789)
    expect(counted()).toBe(read(R.PM_TIMER, 4))
    pm.restore({ ...state, timer: 0xffff_ffff })
    vi.advanceTimersByTime(1000)
    expect([counted(), read(R.PM_TIMER, 4)]).toEqual([3_579_544, 3_579_544])
  })

  test('is not offered on another clock than that of the threads', () => {
    const { pm, latched } = setUp({ clock: new TestClock() })
    expect([threads(pm).counters.length, latched(R.PM1_CONTROL)]).toEqual([0, 1])
  })

  // 2^23 ticks are 2.343 s.
  test('that only threads have read is seen by the status when its highest bit has changed', () => {
    const { counted, read, write } = setUp({ timerBits: 24 })
    vi.advanceTimersByTime(2343)
    expect([counted() >>> 23, read(R.PM1_STATUS, 2)]).toEqual([0, 0])
    vi.advanceTimersByTime(1)
    expect([counted() >>> 23, read(R.PM1_STATUS, 2)]).toEqual([1, 1])
    write(R.PM1_STATUS, 1, 2)
    expect(read(R.PM1_STATUS, 2)).toBe(0)
    vi.advanceTimersByTime(2344)
    expect([counted() >>> 23, read(R.PM1_STATUS, 2)]).toEqual([0, 1])
  })

  test('that only threads have read interrupts', () => {
    const { counted, interrupt, write } = setUp({ timerBits: 24 })
    write(R.PM1_ENABLE, 1, 2)
    vi.advanceTimersByTime(2343)
    expect([counted() >>> 23, interrupt.level]).toEqual([0, false])
    vi.advanceTimersByTime(2)
    expect([counted() >>> 23, interrupt.level]).toEqual([1, true])
  })
})

describe('enable and control', () => {
  test('are latched, two bytes each; the status is not', () => {
    const { pm } = setUp()
    pm.pressPowerButton()
    const widths = [...threads(pm).values].map(([offset, { width, value }]) => [offset, width, value])
    expect(widths).toEqual([
      [R.PM1_ENABLE, 2, 0n],
      [R.PM1_CONTROL, 2, 1n],
    ])
    expect(threads(pm).posted).toEqual([])
  })

  test('are what they read as before anybody hears of a change', () => {
    const seen: unknown[] = []
    const tell = (what: string) => () => seen.push([what, latched(R.PM1_ENABLE), latched(R.PM1_CONTROL)])
    const line = { set: (level: boolean) => void tell(level ? 'high' : 'low')() }
    const { pm, latched, write } = setUp({
      interrupt: line,
      powerOff: tell('off'),
      sleep: tell('sleep'),
    })
    pm.pressPowerButton()
    write(R.PM1_ENABLE, 0x100, 2)
    write(R.PM1_CONTROL, (1 << 13) | (1 << 10), 2)
    write(R.PM1_ENABLE, ((1 << 13) | (R.SLEEP_TYPE_S5 << 10)) * 0x1_0000, 4)
    expect(seen).toEqual([
      ['high', 0x100, 1],
      ['sleep', 0x100, 0x401],
      ['off', 0, 0x1401],
      ['low', 0, 0x1401],
    ])
  })
})

test('a guest that does anything reads what it would have read without the threads', () => {
  const step = fc.record({
    kind: fc.constantFrom('read', 'read', 'write', 'wait', 'restore'),
    offset: fc.oneof(fc.nat(0x13), fc.constantFrom(R.PM1_STATUS, R.PM1_ENABLE, R.PM1_CONTROL, R.PM_TIMER)),
    width: fc.constantFrom(1, 2, 4),
    value: fc.oneof(fc.nat(0xffff), fc.nat(0xffff_ffff)),
    ms: fc.oneof(fc.nat(20), fc.nat(5000)),
  })
  fc.assert(
    fc.property(fc.constantFrom(24 as const, 32 as const), fc.array(step, { maxLength: 60 }), (timerBits, steps) => {
      const { pm, counted, read, write } = setUp({ timerBits })
      const plain = new AcpiPm({ timerBits })
      const direct = registers(plain)
      /** By the thread where that can, as native/register_page.cc does it. */
      const answer = (offset: number, width: number) => {
        const inside = (start: number, length: number) => offset >= start && offset + width <= start + length
        const part = (start: number, value: bigint) =>
          Number(BigInt.asUintN(8 * width, value >> BigInt(8 * (offset - start))))
        for (const [start, latch] of threads(pm).values)
          if (inside(start, latch.width)) return part(start, latch.value!)
        return inside(R.PM_TIMER, 4) ? part(R.PM_TIMER, BigInt(counted())) : read(offset, width)
      }
      for (const { kind, offset, width, value, ms } of steps) {
        if (kind === 'read') expect(answer(offset, width)).toBe(direct.read(offset, width))
        else if (kind === 'wait') vi.advanceTimersByTime(ms)
        else if (kind === 'write') {
          write(offset, value, width)
          direct.write(offset, value, width)
        } else {
          const timer = value % 2 ** timerBits
          const changed = { timer, enable: (offset << 8) & 0x0721, control: (value & 0x1c02) | 1 }
          pm.restore({ ...pm.save(), ...changed })
          plain.restore({ ...plain.save(), ...changed })
        }
      }
      pm.close()
      plain.close()
    }),
    fuzzRuns(),
  )
})
