import { describe, expect, test } from 'vitest'

import {
  DebugConsole,
  DebugExit,
  PostCode,
  PvPanic,
  ResetControl,
  SystemControlA,
  SystemControlB,
} from '../../../lib/devices/index.js'
import { expectRefusal } from '../../thrown.js'
import { registers, threads, valueAt } from './access.js'

describe('debug console', () => {
  test('puts out what is written, and reads as 0xe9', () => {
    const sent: number[] = []
    const { read, write } = registers(new DebugConsole({ output: (bytes) => sent.push(...bytes) }))
    write(0, 0x68)
    write(0, 0x69)
    expect([sent, read(0)]).toEqual([[0x68, 0x69], 0xe9])
  })

  test('has another readback if wanted, which vCPU threads answer', () => {
    const device = new DebugConsole({ readback: 0x12 })
    expect([threads(device).posted, valueAt(device, 0)]).toEqual([[{ offset: 0, width: 1, write: 'post' }], 0x12n])
    expectRefusal(() => new DebugConsole({ readback: 256 }), 'ERR_KVM_INVALID_ARGUMENT')
  })
})

describe('exit port', () => {
  test.each([
    [0, 1, 1],
    [1, 1, 3],
    [0x10, 4, 0x21],
    [0x7f, 2, 0xff],
    [0xffff_ffff, 4, 0xff],
  ])('the value %i, %i bytes wide, is the status %i', (value, width, status) => {
    const exits: number[][] = []
    registers(new DebugExit({ exit: (...args) => exits.push(args) })).write(0, value, width)
    expect(exits).toEqual([[status, value]])
  })

  test('a write to its middle does nothing, and it reads as 0', () => {
    const exits: number[] = []
    const { read, write } = registers(new DebugExit({ exit: (status) => exits.push(status) }))
    write(1, 1)
    expect([exits, read(0, 4)]).toEqual([[], 0])
    expectRefusal(() => new DebugExit({} as never), 'ERR_KVM_INVALID_ARGUMENT')
  })
})

describe('pvpanic', () => {
  test('says which events it knows, and reports one for each write', () => {
    const events: string[] = []
    const { read, write } = registers(new PvPanic({ event: (event) => events.push(event) }))
    expect(read(0)).toBe(7)
    for (const value of [0, 8, 1, 2, 4, 7]) write(0, value)
    expect(events).toEqual(['panicked', 'crash-loaded', 'shutdown', 'panicked'])
    expectRefusal(() => new PvPanic({} as never), 'ERR_KVM_INVALID_ARGUMENT')
  })
})

describe('POST code port', () => {
  test('keeps the last code and reports changes', () => {
    const codes: number[] = []
    const device = new PostCode({ code: (code) => codes.push(code) })
    const { read, write } = registers(device)
    for (const code of [1, 1, 2, 2, 1]) write(0, code)
    expect([codes, device.code, read(0)]).toEqual([[1, 2, 1], 1, 1])
    const other = new PostCode()
    other.restore(device.save())
    expect(other.code).toBe(1)
    expectRefusal(() => other.restore({ version: 1, code: 256 }), 'ERR_KVM_INVALID_STATE')
  })

  test('its writes are posted', () => {
    expect(threads(new PostCode()).posted).toEqual([{ offset: 0, width: 1, write: 'post' }])
  })
})

describe('system control ports', () => {
  test('0x92: bit 0 resets when it is set, A20 is told when it moves', () => {
    const effects: string[] = []
    const device = new SystemControlA({
      reset: () => effects.push('reset'),
      a20: (open) => effects.push(`a20 ${open}`),
    })
    const { read, write } = registers(device)
    expect(read(0)).toBe(2)
    for (const value of [0x00, 0x02, 0x03, 0x03, 0x02, 0x03]) write(0, value)
    expect(effects).toEqual(['a20 false', 'a20 true', 'reset', 'reset'])
    const other = new SystemControlA()
    other.restore(device.save())
    expect(registers(other).read(0)).toBe(3)
  })

  test('0x92: a reset opens the A20 gate, and says so', () => {
    const effects: boolean[] = []
    const device = new SystemControlA({ a20: (open) => effects.push(open) })
    registers(device).write(0, 0)
    device.reset()
    device.reset()
    expect([effects, registers(device).read(0)]).toEqual([[false, true], 2])
  })

  test('0x61: the refresh bit toggles, gate and speaker are kept', () => {
    const device = new SystemControlB()
    const { read, write } = registers(device)
    write(0, 0xff)
    expect([read(0), read(0), read(0)]).toEqual([0x1f, 0x0f, 0x1f])
    const other = new SystemControlB()
    other.restore(device.save())
    expect(registers(other).read(0)).toBe(0x0f)
    expectRefusal(() => other.restore({ version: 1, value: -1 }), 'ERR_KVM_INVALID_STATE')
  })
})

describe('reset control', () => {
  test.each([0x06, 0x0e, 0x04])('0x%x resets, and the bit that did reads as 0', (value) => {
    let resets = 0
    const device = new ResetControl({ reset: () => resets++ })
    const { read, write } = registers(device)
    write(0, 0x02)
    expect([resets, read(0)]).toEqual([0, 0x02])
    write(0, value)
    expect([resets, read(0)]).toEqual([1, value & 0x0a])
    write(1, value)
    expect([resets, read(1)]).toEqual([1, 0xff])
  })

  test('its state can be saved and restored', () => {
    const device = new ResetControl()
    registers(device).write(0, 0x0a)
    const other = new ResetControl()
    other.restore(device.save())
    expect(other.value).toBe(0x0a)
    expectRefusal(() => {
      other.restore({ version: 1, value: 256 })
    }, 'ERR_KVM_INVALID_STATE')
  })
})
