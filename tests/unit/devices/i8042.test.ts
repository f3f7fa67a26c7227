import { describe, expect, test } from 'vitest'

import { I8042, type I8042Options } from '../../../lib/devices/index.js'
import { expectRefusal } from '../../thrown.js'
import { interruptLine, registers, threads, valueAt } from './access.js'

const [DATA, COMMAND] = [0, 4]

function setUp(options: I8042Options = {}) {
  const interrupt = interruptLine()
  const effects: string[] = []
  const device = new I8042({
    interrupt,
    reset: () => effects.push('reset'),
    a20: (open) => effects.push(`a20 ${open}`),
    ...options,
  })
  const { read, write } = registers(device)
  const drain = () => {
    const bytes: number[] = []
    while ((read(COMMAND) & 1) !== 0 && bytes.length < 100) bytes.push(read(DATA))
    return bytes
  }
  const command = (code: number, ...parameters: number[]) => {
    write(COMMAND, code)
    for (const parameter of parameters) write(DATA, parameter)
    return drain()
  }
  const keyboard = (...bytes: number[]) => {
    for (const byte of bytes) write(DATA, byte)
    return drain()
  }
  return { device, interrupt, effects, read, write, drain, command, keyboard }
}

describe('the controller', () => {
  test('answers its tests', () => {
    const { command } = setUp()
    expect([command(0xaa), command(0xab), command(0xa9)]).toEqual([[0x55], [0x00], [0x01]])
  })

  test('is as firmware leaves it: keyboard interrupt and translation on, no mouse', () => {
    expect(setUp().command(0x20)).toEqual([0x65])
  })

  test('keeps its command byte and the rest of its memory', () => {
    const { command } = setUp()
    command(0x60, 0x47)
    command(0x7f, 0x99)
    expect([command(0x20), command(0x3f)]).toEqual([[0x47], [0x99]])
  })

  test('says what kind the last write was, and that no key locks it', () => {
    const { read, write, command } = setUp()
    command(0xad)
    expect(read(COMMAND)).toBe(0x1c)
    write(DATA, 0xf4)
    expect(read(COMMAND) & 0x08).toBe(0)
  })

  test("Linux's look for a mouse ends at once", () => {
    const { read, write } = setUp()
    write(COMMAND, 0xd3)
    write(DATA, 0x5a)
    // Not marked as a mouse's: the driver tests the port next, and finds it dead.
    expect(read(COMMAND) & 0x21).toBe(0x01)
    write(COMMAND, 0xa9)
    expect([read(DATA), read(COMMAND) & 1]).toEqual([0x01, 0])
  })

  test('a byte for the mouse is answered, from the mouse, with a refusal', () => {
    const { read, write } = setUp()
    write(COMMAND, 0xd4)
    write(DATA, 0xff)
    expect([read(COMMAND) & 0x21, read(DATA)]).toEqual([0x21, 0xfe])
  })

  test('ignores commands that it does not know', () => {
    const { command } = setUp()
    for (const code of [0x00, 0x1f, 0x80, 0xbf, 0xef]) expect(command(code)).toEqual([])
  })
})

describe('reset and A20', () => {
  test('pulsing bit 0 of the output port resets; pulsing others does not', () => {
    const { effects, command } = setUp()
    for (const code of [0xff, 0xf1, 0xfd]) command(code)
    expect(effects).toEqual([])
    command(0xfe)
    command(0xf0)
    expect(effects).toEqual(['reset', 'reset'])
  })

  test('so does clearing it', () => {
    const { effects, command } = setUp()
    command(0xd1, 0xdf)
    expect(effects).toEqual([])
    command(0xd1, 0xde)
    expect([effects, command(0xd0)]).toEqual([['reset'], [0xcf]])
  })

  test('the A20 gate is told when it moves', () => {
    const { effects, command } = setUp()
    for (const value of [0xdd, 0xdd, 0xdf]) command(0xd1, value)
    expect(effects).toEqual(['a20 false', 'a20 true'])
  })
})

describe('the keyboard', () => {
  test.each<[string, number[], number[]]>([
    ['identifies itself, translated', [0xf2], [0xfa, 0xab, 0x41]],
    ['echoes', [0xee], [0xee]],
    ['resets', [0xff], [0xfa, 0xaa]],
    ['takes a typematic rate', [0xf3, 0x20], [0xfa]],
    ['enables', [0xf4], [0xfa]],
    ['disables', [0xf5], [0xfa]],
    ['says its scan code set, translated', [0xf0, 0x00], [0xfa, 0x41]],
    ['refuses set 4', [0xf0, 0x04], [0xfe]],
    ['refuses what it does not know', [0x12], [0xfe]],
  ])('%s', (_, bytes, answer) => {
    const { keyboard, drain } = setUp()
    for (const byte of bytes.slice(0, -1)) expect(keyboard(byte)).toEqual([0xfa])
    expect([...keyboard(bytes.at(-1)!), ...drain()]).toEqual(answer)
  })

  test('has lamps', () => {
    const { device, keyboard } = setUp()
    keyboard(0xed)
    keyboard(0x05)
    expect(device.leds).toEqual({ scrollLock: true, numLock: false, capsLock: true })
  })

  test('keys come translated to set 1, each byte with an edge', () => {
    const { device, interrupt, read } = setUp()
    expect(device.sendScancodes(Uint8Array.of(0x1c, 0xf0, 0x1c, 0xe0, 0xf0, 0x75))).toBe(true)
    const seen: number[] = []
    while (interrupt.level) seen.push(read(DATA))
    expect(seen).toEqual([0x1e, 0x9e, 0xe0, 0xc8])
    expect(interrupt.levels).toEqual([true, false, true, false, true, false, true, false])
  })

  test('without translation they come as they are', () => {
    const { device, command, drain } = setUp()
    command(0x60, 0x05)
    device.sendScancodes(Uint8Array.of(0x83, 0xf0, 0x83))
    expect(drain()).toEqual([0x83, 0xf0, 0x83])
  })

  test('its bytes wait while the controller holds it, and behind the controller’s answers', () => {
    const { device, read, write, command, drain } = setUp()
    command(0xad)
    device.sendScancodes(Uint8Array.of(0x1c))
    expect(read(COMMAND) & 1).toBe(0)
    write(COMMAND, 0xae)
    write(COMMAND, 0x20)
    expect(drain()).toEqual([0x65, 0x1e])
  })

  test('16 bytes are kept, and a key that does not fit is refused whole', () => {
    const { device, command } = setUp()
    command(0xad)
    for (let n = 0; n < 7; n++) expect(device.sendScancodes(Uint8Array.of(0xf0, 0x1c))).toBe(true)
    expect(device.sendScancodes(Uint8Array.of(0xe0, 0xf0, 0x75))).toBe(false)
    expect(device.sendScancodes(Uint8Array.of(0xf0, 0x1c))).toBe(true)
    expect(command(0xae)).toEqual(new Array(8).fill(0x9e))
  })

  test('switched off, it forgets keys', () => {
    const { device, keyboard, drain } = setUp()
    keyboard(0xf5)
    expect([device.sendScancodes(Uint8Array.of(0x1c)), drain()]).toEqual([true, []])
  })

  test('interrupts only when the command byte says so', () => {
    const { device, interrupt, command } = setUp()
    command(0x60, 0x44)
    interrupt.levels.length = 0
    device.sendScancodes(Uint8Array.of(0x1c))
    expect(interrupt.levels).toEqual([])
  })

  test('what is no bytes is refused', () => {
    expectRefusal(() => setUp().device.sendScancodes('a' as unknown as Uint8Array), 'ERR_KVM_INVALID_ARGUMENT')
  })
})

test('a saved state goes on: a key half sent, a parameter awaited', () => {
  const { device, write } = setUp()
  write(COMMAND, 0xad)
  device.sendScancodes(Uint8Array.of(0xf0, 0x1c, 0xf0))
  write(COMMAND, 0x60)
  const other = setUp()
  other.device.restore(device.save())
  other.write(DATA, 0x45)
  expect(other.command(0x20)).toEqual([0x45, 0x9e])
  other.device.sendScancodes(Uint8Array.of(0x1c))
  expect(other.drain()).toEqual([0x9e])
  const state = device.save()
  expectRefusal(() => device.restore({ ...state, ram: [1] }), 'ERR_KVM_INVALID_STATE', /ram/)
  expectRefusal(
    () => device.restore({ ...state, keyboard: { ...state.keyboard, scanCodeSet: 4 } }),
    'ERR_KVM_INVALID_STATE',
    /keyboard.*scanCodeSet/,
  )
})

describe('the status that vCPU threads answer', () => {
  test('is what a read would return, after every access', () => {
    const { device, read, write } = setUp()
    expect([threads(device).posted.length, threads(device).values.size]).toEqual([0, 1])
    const seen: number[] = []
    const look = () => {
      expect(valueAt(device, COMMAND)).toBe(BigInt(read(COMMAND)))
      seen.push(read(COMMAND))
    }
    look()
    write(COMMAND, 0xaa)
    look()
    read(DATA)
    look()
    write(DATA, 0xf4)
    look()
    read(DATA)
    look()
    device.sendScancodes(Uint8Array.of(0x1c))
    look()
    expect(seen).toEqual([0x14, 0x1d, 0x1c, 0x15, 0x14, 0x15])
  })

  test('comes with restored state, before the interrupt', () => {
    const { device, write } = setUp()
    write(DATA, 0xf4)
    const atInterrupt: unknown[] = []
    const set = (level: boolean) => level && atInterrupt.push(valueAt(other, COMMAND))
    const other = new I8042({ interrupt: { set } })
    other.sendScancodes(Uint8Array.of(0x1c))
    other.restore(device.save())
    expect([atInterrupt, valueAt(other, COMMAND)]).toEqual([[0x15n, 0x15n], 0x15n])
  })
})
