// Section numbers are those of the ACPI specification 6.5.
import { describe, expect, test } from 'vitest'

import { AcpiPm, type AcpiPmOptions, acpiPmRegisters as R } from '../../../lib/devices/index.js'
import { expectRefusal } from '../../thrown.js'
import { interruptLine, registers, TestClock } from './access.js'

function setUp(options: AcpiPmOptions = {}) {
  const clock = new TestClock(123_456_789n)
  const interrupt = interruptLine()
  const effects: unknown[] = []
  const pm = new AcpiPm({
    clock,
    schedule: clock.schedule,
    interrupt,
    powerOff: () => effects.push('off'),
    reset: () => effects.push('reset'),
    sleep: (type) => effects.push(type),
    ...options,
  })
  return { pm, clock, interrupt, effects, ...registers(pm) }
}

describe('power button (4.8.2.2.1)', () => {
  test('interrupts a guest that has enabled it, until it clears the status', () => {
    const { pm, interrupt, read, write } = setUp()
    write(R.PM1_ENABLE, 0x100, 2)
    expect(pm.pressPowerButton()).toBe(true)
    expect([interrupt.level, read(R.PM1_STATUS, 2)]).toEqual([true, 0x100])
    write(R.PM1_STATUS, 0x100, 2)
    expect([interrupt.level, read(R.PM1_STATUS, 2)]).toEqual([false, 0])
  })

  test('says when the guest does not listen', () => {
    const { pm, interrupt } = setUp()
    expect([pm.pressPowerButton(), pm.pressSleepButton(), interrupt.level]).toEqual([false, false, false])
  })

  test('writing zeros clears nothing; bytes work as well', () => {
    const { pm, read, write } = setUp()
    pm.pressPowerButton()
    write(R.PM1_STATUS, 0xfeff, 2)
    write(R.PM1_STATUS, 0xff)
    expect(read(R.PM1_STATUS + 1)).toBe(1)
    write(R.PM1_STATUS + 1, 1)
    expect(read(R.PM1_STATUS, 2)).toBe(0)
  })
})

describe('sleep and reset', () => {
  test('S5 switches off; other types are told; without SLP_EN nothing happens (4.8.3.2.1)', () => {
    const { effects, read, write } = setUp()
    write(R.PM1_CONTROL, R.SLEEP_TYPE_S5 << 10, 2)
    expect([effects, read(R.PM1_CONTROL, 2)]).toEqual([[], (R.SLEEP_TYPE_S5 << 10) | 1])
    write(R.PM1_CONTROL, (1 << 13) | (1 << 10), 2)
    write(R.PM1_CONTROL, (1 << 13) | (R.SLEEP_TYPE_S5 << 10), 2)
    expect([effects, read(R.PM1_CONTROL, 2) & (1 << 13)]).toEqual([[1, 'off'], 0])
  })

  test('ACPI mode cannot be left', () => {
    const { read, write } = setUp()
    write(R.PM1_CONTROL, 0, 2)
    expect(read(R.PM1_CONTROL, 2)).toBe(1)
  })

  test('the reset register takes its own value only (4.8.3.6)', () => {
    const { effects, write } = setUp()
    for (const value of [0, 2, 0xff, R.RESET_VALUE]) write(R.RESET, value)
    expect(effects).toEqual(['reset'])
  })

  test('the general-purpose event block is empty', () => {
    const { read, write } = setUp()
    write(R.GPE0, 0xffff_ffff, 4)
    expect(read(R.GPE0, 4)).toBe(0)
  })
})

describe('timer (4.8.3.3)', () => {
  test('counts at 3.579545 MHz', () => {
    const { clock, read } = setUp()
    expect(read(R.PM_TIMER, 4)).toBe(0)
    clock.pass(1)
    expect(read(R.PM_TIMER, 4)).toBe(3_579_545)
    expect(read(R.PM_TIMER + 1)).toBe((3_579_545 >> 8) & 0xff)
  })

  test.each([24, 32] as const)('wraps at %i bits', (timerBits) => {
    const { clock, read } = setUp({ timerBits })
    clock.pass((2 ** timerBits + 10.5) / 3_579_545)
    expect(read(R.PM_TIMER, 4)).toBe(10)
  })

  test('notes and interrupts when its highest bit changes', () => {
    const { clock, interrupt, read, write } = setUp({ timerBits: 24 })
    write(R.PM1_ENABLE, 1, 2)
    clock.pass(2.34)
    expect([interrupt.level, read(R.PM1_STATUS, 2)]).toEqual([false, 0])
    clock.pass(0.01)
    expect([interrupt.level, read(R.PM1_STATUS, 2)]).toEqual([true, 1])
    write(R.PM1_STATUS, 1, 2)
    expect(interrupt.level).toBe(false)
    clock.pass(2.35)
    expect(interrupt.level).toBe(true)
  })

  test('needs no host timer unless its interrupt is enabled', () => {
    const { pm, clock, write } = setUp()
    expect(clock.timers).toBe(0)
    write(R.PM1_ENABLE, 1, 2)
    expect(clock.timers).toBe(1)
    pm.close()
    expect(clock.timers).toBe(0)
  })
})

test('a saved state goes on: events, and the timer from where it was', () => {
  const { pm, clock, write } = setUp()
  write(R.PM1_ENABLE, 0x100, 2)
  clock.pass(5)
  pm.pressPowerButton()
  const other = setUp()
  other.clock.pass(1000)
  other.pm.restore(JSON.parse(JSON.stringify(pm.save())) as ReturnType<AcpiPm['save']>)
  expect([other.interrupt.level, other.read(R.PM_TIMER, 4)]).toEqual([true, 5 * 3_579_545])
  for (const wrong of [{ timer: 2 ** 32 }, { status: -1 }, { enable: 0x1_0000 }, { control: null }]) {
    expectRefusal(() => pm.restore({ ...pm.save(), ...wrong } as never), 'ERR_KVM_INVALID_STATE')
  }
})

test('a timer of another width is refused', () => {
  expectRefusal(() => new AcpiPm({ timerBits: 16 as 24 }), 'ERR_KVM_INVALID_ARGUMENT', /24 or 32/)
})

test('paused, it does not interrupt; resumed, it does at once for what has happened', () => {
  const QUARTER = 2 ** 24 / 4 / 3_579_545
  const { pm, clock, interrupt, write } = setUp({ timerBits: 24 })
  write(R.PM1_ENABLE, 1, 2)
  clock.pass(QUARTER)
  pm.pause()
  pm.pause()
  expect(clock.timers).toBe(0)
  clock.pass(QUARTER * 1.1)
  expect(interrupt.level).toBe(false)
  pm.resume()
  expect(interrupt.level).toBe(true)
})

test('once closed, it sets no timer, whatever the guest writes', () => {
  const { pm, clock, write } = setUp()
  pm.close()
  write(R.PM1_ENABLE, 1, 2)
  pm.resume()
  expect(clock.timers).toBe(0)
})
