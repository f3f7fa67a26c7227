import { describe, expect, test } from 'vitest'

import { Hpet, hpetCapabilities, type HpetOptions } from '../../../lib/devices/index.js'
import { interruptLine, registers, TestClock } from './access.js'

const [CAPABILITIES, CONFIGURATION, STATUS, COUNTER] = [0x000, 0x010, 0x020, 0x0f0] as const
const [T0, T1] = [0x100, 0x120] as const
const COMPARATOR = 8
const [ENABLED, LEGACY] = [1, 2] as const
const [LEVEL, INTERRUPTS, PERIODIC, SETS_VALUE, NARROW] = [1 << 1, 1 << 2, 1 << 3, 1 << 6, 1 << 8] as const
const LINE = 16
const ROUTED = LINE << 9
const TICK = 10e-9
const MS = 100_000 // ticks

function hpet(options: HpetOptions = {}) {
  const clock = new TestClock()
  const line = interruptLine()
  const lines = new Map([[LINE, line]])
  const device = new Hpet({ clock, schedule: clock.schedule, lines, ...options })
  const { read, write } = registers(device)
  return {
    clock,
    line,
    device,
    read: (at: number, width = 8) => read(at, width),
    write: (at: number, value: number, width = 8) => write(at, value, width),
  }
}

/** How often the line has been raised. */
const pulses = ({ levels }: { levels: boolean[] }) => levels.filter((level) => level).length

describe('the counter', () => {
  test('counts at 100 MHz while it is enabled, and stands still otherwise', () => {
    const { clock, read, write } = hpet()
    expect(BigInt(read(CAPABILITIES + 4, 4))).toBe(10_000_000n)
    clock.pass(1)
    expect(read(COUNTER)).toBe(0)
    write(COUNTER, 5)
    write(CONFIGURATION, ENABLED)
    clock.pass(0.001)
    expect(read(COUNTER)).toBe(MS + 5)
    write(CONFIGURATION, 0)
    clock.pass(1)
    expect(read(COUNTER)).toBe(MS + 5)
  })

  test('loses nothing of what is less than a tick', () => {
    const { clock, read, write } = hpet()
    write(CONFIGURATION, ENABLED)
    for (let now = 3n; now <= 30n; now += 3n) {
      clock.set(now)
      read(COUNTER)
    }
    expect(read(COUNTER)).toBe(3)
  })

  test('is read in halves, and wraps at 64 bits', () => {
    const { clock, read, write } = hpet()
    write(COUNTER, 0xffff_ffff, 4)
    write(COUNTER + 4, 0xffff_ffff, 4)
    write(CONFIGURATION, ENABLED)
    expect([read(COUNTER, 4), read(COUNTER + 4, 4)]).toEqual([0xffff_ffff, 0xffff_ffff])
    clock.pass(3 * TICK)
    expect(read(COUNTER)).toBe(2)
  })

  test('stands still while the device is paused', () => {
    const { clock, device, read, write } = hpet()
    write(CONFIGURATION, ENABLED)
    clock.pass(0.001)
    device.pause()
    clock.pass(5)
    expect(read(COUNTER)).toBe(MS)
    device.resume()
    clock.pass(0.001)
    expect(read(COUNTER)).toBe(2 * MS)
  })
})

test('what it is: 3 timers, 64 bits, periodic; legacy routes and lines only where they lead somewhere', () => {
  const { read } = hpet()
  expect(read(CAPABILITIES, 4)).toBe(0x8086_2201)
  expect([read(T0, 4), read(T0 + 4, 4)]).toEqual([0x30, 1 << LINE])
  expect(hpetCapabilities(true) & 0xffff_ffffn).toBe(0x8086_a201n)
  expect(registers(new Hpet()).read(T0 + 4, 4)).toBe(0)
})

describe('a timer', () => {
  const start = (configuration: number, comparator: number, options: HpetOptions = {}) => {
    const made = hpet(options)
    made.write(T0, configuration | ROUTED)
    made.write(T0 + COMPARATOR, comparator)
    made.write(CONFIGURATION, ENABLED)
    return made
  }

  test('interrupts once when the counter comes to its comparator', () => {
    const { clock, line } = start(INTERRUPTS, MS)
    clock.pass(0.000_999)
    expect(pulses(line)).toBe(0)
    clock.pass(0.000_002)
    expect([pulses(line), line.level]).toEqual([1, false])
    clock.pass(1)
    expect(pulses(line)).toBe(1)
  })

  test('may be set to what has passed: then it waits for the counter to come round', () => {
    const { clock, line, write } = start(INTERRUPTS | NARROW, MS)
    clock.pass(0.002)
    write(T0 + COMPARATOR, MS, 4)
    clock.pass(42)
    expect(pulses(line)).toBe(1)
    clock.pass(1)
    expect(pulses(line)).toBe(2)
  })

  test('interrupts again and again: its period is what was written last', () => {
    const { clock, line, read, write } = start(INTERRUPTS | PERIODIC | SETS_VALUE, 3 * MS)
    write(T0 + COMPARATOR, MS)
    expect(read(T0 + COMPARATOR)).toBe(3 * MS)
    clock.pass(0.0025)
    expect(pulses(line)).toBe(0)
    clock.pass(0.003)
    expect([pulses(line), read(T0 + COMPARATOR)]).toEqual([3, 6 * MS])
  })

  test('tells of many periods at once when its host was late, and of no more than one in 0.1 ms', () => {
    const { clock, line, read } = start(INTERRUPTS | PERIODIC | SETS_VALUE, 1)
    clock.pass(0.001)
    expect(pulses(line)).toBeLessThanOrEqual(11)
    clock.set(clock.now() + 1_000_000_000n)
    const before = pulses(line)
    expect(read(T0 + COMPARATOR)).toBe(read(COUNTER) + 1)
    expect(pulses(line)).toBe(before + 1)
  })

  test('level-triggered, it holds its line until its bit is cleared', () => {
    const { clock, line, read, write } = start(INTERRUPTS | LEVEL, MS)
    clock.pass(0.002)
    expect([line.level, read(STATUS)]).toEqual([true, 1])
    write(STATUS, 2)
    expect(line.level).toBe(true)
    write(STATUS, 1, 1)
    expect([line.level, read(STATUS)]).toEqual([false, 0])
  })

  test('without interrupts, or with the counter off, only its bit is set', () => {
    const { clock, line, read, write } = start(LEVEL, MS)
    clock.pass(1)
    expect([line.level, read(STATUS)]).toEqual([false, 1])
    write(T0, LEVEL | INTERRUPTS | ROUTED)
    expect(line.level).toBe(true)
    write(CONFIGURATION, 0)
    expect(line.level).toBe(false)
  })

  test('is routed only to a line that there is', () => {
    const { read, write } = hpet()
    write(T0, ROUTED)
    write(T0, 20 << 9)
    expect((read(T0, 4) >> 9) & 0x1f).toBe(LINE)
  })
})

test('in the places of the PIT and the real-time clock, while the guest wants that: timer 2 keeps its line', () => {
  const [timer, clockLine] = [interruptLine(), interruptLine()]
  const told: boolean[] = []
  const legacy = { timer, clock: clockLine, replaced: (on: boolean) => void told.push(on) }
  const { clock, line, read, write, device } = hpet({ legacy })
  expect(read(CAPABILITIES, 4)).toBe(0x8086_a201)
  for (const at of [T0, T1, T1 + 0x20]) {
    write(at, INTERRUPTS | ROUTED)
    write(at + COMPARATOR, MS)
  }
  write(CONFIGURATION, ENABLED | LEGACY)
  clock.pass(0.002)
  expect([timer, clockLine, line].map(pulses)).toEqual([1, 1, 1])
  expect(told).toEqual([true])
  device.reset()
  expect(told).toEqual([true, false])
})

test('a guest without legacy routes cannot ask for them, nor a state', () => {
  const { read, write, device } = hpet()
  write(CONFIGURATION, ENABLED | LEGACY)
  expect(read(CONFIGURATION)).toBe(ENABLED)
  expect(() => {
    device.restore({ ...device.save(), configuration: LEGACY })
  }).toThrow(/configuration/)
})

test('a saved state goes on elsewhere: counter, comparators, level', () => {
  const { clock, device, write } = hpet()
  write(T0, INTERRUPTS | LEVEL | ROUTED)
  write(T0 + COMPARATOR, MS)
  write(CONFIGURATION, ENABLED)
  clock.pass(0.0005)
  const other = hpet()
  other.clock.set(77_777n)
  other.device.restore(device.save())
  other.clock.pass(0.0004)
  expect([other.read(COUNTER), other.line.level]).toEqual([0.9 * MS, false])
  other.clock.pass(0.0002)
  expect(other.line.level).toBe(true)
})
