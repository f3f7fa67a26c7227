// Section numbers are those of the PC16550D data sheet.
import { describe, expect, test } from 'vitest'

import { Serial, type SerialOptions } from '../../../lib/devices/index.js'
import { expectRefusal } from '../../thrown.js'
import { interruptLine, registers, threads, valueAt } from './access.js'

const [DATA, IER, IIR, FCR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 2, 3, 4, 5, 6, 7]
const bytes = (text: string) => new TextEncoder().encode(text)

function setUp(options: SerialOptions = {}) {
  const interrupt = interruptLine()
  const sent: number[] = []
  const serial = new Serial({ interrupt, output: (data) => sent.push(...data), ...options })
  const { read, write } = registers(serial)
  const receiveAll = () => {
    const received: number[] = []
    while ((read(LSR) & 1) !== 0) received.push(read(DATA))
    return String.fromCharCode(...received)
  }
  return { serial, interrupt, sent, read, write, receiveAll }
}

describe('after reset', () => {
  test('the registers are as table III says', () => {
    const { read } = setUp()
    expect([IER, IIR, LCR, MCR, LSR].map((register) => read(register))).toEqual([0, 1, 0, 0, 0x60])
  })

  test('a modem is ready', () => {
    expect(setUp().read(MSR)).toBe(0xb0)
  })
})

describe('sending', () => {
  test('a character goes out, and the transmitter is empty at once', () => {
    const { sent, read, write } = setUp()
    for (const byte of bytes('ok')) write(DATA, byte)
    expect([sent, read(LSR)]).toEqual([[0x6f, 0x6b], 0x60])
  })

  test('a word-wide write reaches two registers', () => {
    const { sent, read, write } = setUp()
    write(DATA, 0x0541, 2)
    expect([sent, read(IER)]).toEqual([[0x41], 5])
  })

  test('without an output it is lost', () => {
    const { read, write } = registers(new Serial())
    write(DATA, 0x41)
    // The transmitter is empty again, nothing has come back, and the interrupt says so.
    expect(read(LSR) & 0x61).toBe(0x60)
    write(IER, 2)
    expect(read(IIR) & 0x0f).toBe(2)
  })
})

describe('divisor latch and scratch', () => {
  test('the divisor is behind DLAB, and the data and enable registers are not disturbed (8.3)', () => {
    const { sent, read, write } = setUp()
    write(IER, 0x05)
    write(LCR, 0x83)
    expect(read(0, 2)).toBe(12)
    write(DATA, 0x34)
    write(IER, 0x12)
    expect(read(0, 2)).toBe(0x1234)
    write(LCR, 0x03)
    expect([read(IER), sent]).toEqual([0x05, []])
  })

  test('scratch keeps any byte', () => {
    const { read, write } = setUp()
    for (const value of [0xae, 0x51]) {
      write(SCR, value)
      expect(read(SCR)).toBe(value)
    }
  })

  test("Linux's probe for an interrupt register: only its low half holds bits", () => {
    const { read, write } = setUp()
    write(IER, 0xff)
    expect(read(IER)).toBe(0x0f)
  })

  test('status registers do not change when written', () => {
    const { read, write } = setUp()
    write(LSR, 0)
    write(MSR, 0)
    expect([read(LSR), read(MSR)]).toEqual([0x60, 0xb0])
  })
})

describe('receiving', () => {
  test('characters arrive in order; the last one stays readable', () => {
    const { serial, read, receiveAll } = setUp()
    expect(serial.receive(bytes('abc'))).toBe(3)
    expect(receiveAll()).toBe('abc')
    expect([read(LSR), read(DATA)]).toEqual([0x60, 0x63])
  })

  test('a FIFO holds 16, what waits behind it follows as the guest reads', () => {
    const { serial, write, receiveAll } = setUp()
    write(FCR, 1)
    const text = 'The quick brown fox jumps over the lazy dog'
    expect(serial.receive(bytes(text))).toBe(text.length)
    expect(serial.save()).toMatchObject({ fifo: { length: 16 }, backlog: { length: text.length - 16 } })
    expect(receiveAll()).toBe(text)
  })

  test('a source that sends 100 MB to a guest that never reads is held back', () => {
    const { serial } = setUp({ receiveBuffer: 1000 })
    const megabyte = new Uint8Array(1_000_000)
    let taken = 0
    for (let n = 0; n < 100; n++) taken += serial.receive(megabyte)
    expect(taken).toBe(1001)
    expect(serial.save()).toMatchObject({ fifo: { length: 1 }, backlog: { length: 1000 } })
  })

  test('the source is called once half of it has been read, and not before', () => {
    let drained = 0
    const { serial, read } = setUp({ receiveBuffer: 8, onDrain: () => drained++ })
    expect(serial.receive(new Uint8Array(9))).toBe(9)
    for (let n = 0; n < 9; n++) read(DATA)
    expect(drained).toBe(0)
    expect(serial.receive(new Uint8Array(20))).toBe(9)
    for (let n = 0; n < 3; n++) read(DATA)
    expect(drained).toBe(0)
    read(DATA)
    expect(drained).toBe(1)
    for (let n = 0; n < 5; n++) read(DATA)
    expect(drained).toBe(1)
  })

  test('a source that refills from its callback loses nothing', () => {
    const text = Array.from({ length: 5000 }, (_, index) => index & 0xff)
    let next = 0
    const feed = () => {
      next += serial.receive(Uint8Array.from(text.slice(next, next + 700)))
    }
    const { serial, read } = setUp({ receiveBuffer: 64, onDrain: feed })
    feed()
    const received: number[] = []
    for (let n = 0; n < text.length; n++) {
      if ((read(LSR) & 1) !== 0) received.push(read(DATA))
      else feed()
    }
    expect(received).toEqual(text.slice(0, received.length))
    expect(received.length).toBeGreaterThan(4900)
  })

  test('clearing the FIFO drops what is in it, not what is still on the wire (8.5)', () => {
    const { serial, write, receiveAll } = setUp()
    write(FCR, 1)
    serial.receive(bytes('0123456789abcdefXY'))
    write(FCR, 3)
    expect(receiveAll()).toBe('XY')
  })

  test('switching the FIFO on empties it; its clear bit alone does nothing (8.5)', () => {
    const { serial, read, write, receiveAll } = setUp()
    serial.receive(bytes('a'))
    write(FCR, 2)
    expect(read(LSR) & 1).toBe(1)
    write(FCR, 1)
    expect(receiveAll()).toBe('')
  })

  test('a break comes as a zero with its mark, which reading LSR clears (8.4)', () => {
    const { serial, read, write, interrupt } = setUp()
    write(FCR, 1)
    write(IER, 4)
    serial.receive(bytes('a'))
    serial.receiveBreak()
    expect(read(LSR)).toBe(0xe1)
    expect(interrupt.level).toBe(false)
    expect(read(DATA)).toBe(0x61)
    expect([interrupt.level, read(IIR)]).toEqual([true, 0xc6])
    expect(read(LSR)).toBe(0x71)
    expect([interrupt.level, read(LSR), read(DATA)]).toEqual([false, 0x61, 0])
  })

  test('what is no bytes is refused', () => {
    expectRefusal(() => setUp().serial.receive([1] as unknown as Uint8Array), 'ERR_KVM_INVALID_ARGUMENT')
    expectRefusal(() => new Serial({ receiveBuffer: 0 }), 'ERR_KVM_INVALID_ARGUMENT')
    expectRefusal(() => new Serial({ buffer: 1 } as object), 'ERR_KVM_INVALID_ARGUMENT', /buffer/)
  })
})

describe('interrupts', () => {
  test('none without its enable bit', () => {
    const { serial, interrupt, read } = setUp()
    serial.receive(bytes('a'))
    expect([interrupt.level, read(IIR)]).toEqual([false, 1])
  })

  test('received data, until it is read', () => {
    const { serial, interrupt, read, write } = setUp()
    write(IER, 1)
    serial.receive(bytes('a'))
    expect([interrupt.level, read(IIR), read(IIR)]).toEqual([true, 4, 4])
    read(DATA)
    expect([interrupt.level, read(IIR)]).toEqual([false, 1])
  })

  test.each([
    [0x01, 1],
    [0x41, 4],
    [0x81, 8],
    [0xc1, 14],
  ])(
    'with FIFO control 0x%x the trigger is at %i bytes; below it, a time-out says that there is data',
    (fcr, level) => {
      const { serial, interrupt, read, write } = setUp()
      write(FCR, fcr)
      write(IER, 1)
      serial.receive(new Uint8Array(level - 1))
      if (level > 1) expect([interrupt.level, read(IIR)]).toEqual([true, 0xcc])
      serial.receive(new Uint8Array(1))
      expect(read(IIR)).toBe(0xc4)
      for (let n = 0; n < level; n++) read(DATA)
      expect([interrupt.level, read(IIR)]).toEqual([false, 0xc1])
    },
  )

  test('transmitter empty: when enabled, and after each character; IIR ends it (8.6.2)', () => {
    const { interrupt, read, write } = setUp()
    write(IER, 2)
    expect([interrupt.level, read(IIR), interrupt.level, read(IIR)]).toEqual([true, 2, false, 1])
    write(DATA, 0x41)
    expect([interrupt.level, read(IIR), read(IIR)]).toEqual([true, 2, 1])
  })

  test("Linux's test for a chip that forgets this interrupt finds none", () => {
    const { read, write } = setUp()
    write(IER, 2)
    const first = read(IIR)
    write(IER, 0)
    write(IER, 2)
    const second = read(IIR)
    write(IER, 0)
    expect([first & 1, second & 1]).toEqual([0, 0])
  })

  test('writing the same enable bits again raises nothing', () => {
    const { interrupt, read, write } = setUp()
    write(IER, 2)
    read(IIR)
    write(IER, 2)
    expect(interrupt.level).toBe(false)
  })

  test('a burst of characters moves the line once', () => {
    const { interrupt, read, write } = setUp()
    write(IER, 2)
    read(IIR)
    interrupt.levels.length = 0
    for (let n = 0; n < 16; n++) write(DATA, n)
    expect(interrupt.levels).toEqual([true])
  })

  test('come in their order: line status, data, transmitter, modem (table IV)', () => {
    const { serial, read, write } = setUp()
    write(IER, 0x0f)
    serial.receive(bytes('a'))
    serial.receiveBreak()
    serial.setModemLines({ clearToSend: false })
    const seen = [read(IIR)]
    read(LSR)
    seen.push(read(IIR))
    read(DATA)
    // Without FIFO the break took the place of the character.
    seen.push(read(IIR), read(IIR))
    read(MSR)
    seen.push(read(IIR))
    expect(seen).toEqual([6, 4, 2, 0, 1])
  })

  test('reading IIR does not end the transmitter interrupt while another one is shown', () => {
    const { serial, read, write } = setUp()
    write(IER, 3)
    serial.receive(bytes('a'))
    expect(read(IIR)).toBe(4)
    read(DATA)
    expect(read(IIR)).toBe(2)
  })
})

describe('modem lines', () => {
  test('a change is marked until the status is read, and interrupts (8.8)', () => {
    const { serial, interrupt, read, write } = setUp()
    write(IER, 8)
    serial.setModemLines({ clearToSend: false, dataSetReady: false, carrierDetect: false })
    expect([interrupt.level, read(IIR), read(MSR), read(MSR), interrupt.level]).toEqual([true, 0, 0x0b, 0, false])
  })

  test('the ring indicator marks only its end', () => {
    const { serial, read } = setUp()
    serial.setModemLines({ ringIndicator: true })
    expect(read(MSR)).toBe(0xf0)
    serial.setModemLines({ ringIndicator: false })
    expect(read(MSR)).toBe(0xb4)
  })

  test("the guest's own lines can be seen", () => {
    const { serial, write } = setUp()
    expect(serial.outputLines).toEqual({ dataTerminalReady: false, requestToSend: false })
    write(MCR, 3)
    expect(serial.outputLines).toEqual({ dataTerminalReady: true, requestToSend: true })
    write(MCR, 0x13)
    expect(serial.outputLines).toEqual({ dataTerminalReady: false, requestToSend: false })
  })

  test('a misspelled line is refused', () => {
    expectRefusal(() => setUp().serial.setModemLines({ cts: true } as object), 'ERR_KVM_INVALID_ARGUMENT', /cts/)
  })
})

describe('loopback (8.7)', () => {
  test("Linux's probe: outputs come back as modem lines", () => {
    const { read, write } = setUp()
    write(MCR, 0x1a)
    expect(read(MSR) & 0xf0).toBe(0x90)
  })

  test('what is sent is received, and does not go out; the wire waits', () => {
    const { serial, sent, write, receiveAll } = setUp()
    write(FCR, 1)
    write(MCR, 0x10)
    for (const byte of bytes('loop')) write(DATA, byte)
    expect(serial.receive(bytes('wire'))).toBe(4)
    expect(receiveAll()).toBe('loop')
    write(MCR, 0)
    expect([receiveAll(), sent]).toEqual(['wire', []])
  })

  test('a 17th character is lost and says so (8.4)', () => {
    const { read, write, receiveAll } = setUp()
    write(FCR, 1)
    write(MCR, 0x10)
    for (let n = 0; n < 17; n++) write(DATA, 0x41 + n)
    expect(read(LSR)).toBe(0x63)
    expect([read(LSR), receiveAll()]).toEqual([0x61, 'ABCDEFGHIJKLMNOP'])
  })

  test('without FIFO the new character takes the place of the old one', () => {
    const { read, write, receiveAll } = setUp()
    write(MCR, 0x10)
    write(DATA, 0x41)
    write(DATA, 0x42)
    expect([read(LSR), receiveAll()]).toEqual([0x63, 'B'])
  })
})

describe('what vCPU threads answer', () => {
  const attached = () => {
    const parts = setUp()
    const value = (offset: number) => valueAt(parts.serial, offset)
    const posted = () => {
      const cells = threads(parts.serial).posted
      expect(cells.every(({ width }) => width === 1)).toBe(true)
      return cells.map(({ offset, write }) => [offset, write])
    }
    return { ...parts, value, posted }
  }
  const CONTROL = [
    [IER, 'post'],
    [LCR, 'lazy'],
  ]

  test('sending and what is no part of a status are posted, the status registers can be read', () => {
    const { serial, posted, value } = attached()
    expect(posted()).toEqual([[DATA, 'post'], ...CONTROL])
    expect([value(LSR), value(MSR), threads(serial).values.size]).toEqual([0x60n, 0xb0n, 2])
  })

  test('follows the receiver', () => {
    const { serial, value, read } = attached()
    serial.receive(bytes('a'))
    expect(value(LSR)).toBe(0x61n)
    read(DATA)
    expect(value(LSR)).toBe(0x60n)
  })

  test('is no status whose reading has an effect', () => {
    const { serial, value, read } = attached()
    serial.receiveBreak()
    serial.setModemLines({ clearToSend: false })
    expect([value(LSR), value(MSR)]).toEqual([undefined, undefined])
    read(LSR)
    read(MSR)
    expect([value(LSR), value(MSR)]).toEqual([0x61n, 0xa0n])
  })

  test('is no sending in loopback, so that the next read sees the character', () => {
    const { posted, value, write, read } = attached()
    write(MCR, 0x10)
    expect(posted()).toEqual(CONTROL)
    read(MSR)
    write(DATA, 0x41)
    expect(value(LSR)).toBe(0x61n)
    write(MCR, 0)
    expect(posted()).toEqual([[DATA, 'post'], ...CONTROL])
  })

  test('is the same with DLAB: the writes come in order', () => {
    const { posted, write, read } = attached()
    write(LCR, 0x80)
    expect(posted()).toHaveLength(3)
    write(DATA, 0x55)
    expect(read(DATA)).toBe(0x55)
  })

  test('comes with a restored state', () => {
    const { serial, write } = attached()
    write(MCR, 0x10)
    write(DATA, 0x41)
    const other = new Serial()
    other.restore(serial.save())
    expect([valueAt(other, LSR), threads(other).posted.length]).toEqual([0x61n, 2])
  })
})

describe('saved state', () => {
  test('another one goes on with it, interrupt and input included', () => {
    const { serial, write } = setUp()
    write(FCR, 0x81)
    write(IER, 1)
    serial.receive(bytes('0123456789abcdefghij'))
    const { serial: other, interrupt, read, receiveAll } = setUp()
    other.restore(JSON.parse(JSON.stringify(serial.save())) as ReturnType<Serial['save']>)
    expect([interrupt.level, read(IIR), receiveAll()]).toEqual([true, 0xc4, '0123456789abcdefghij'])
  })

  test.each([
    ['divisor', 0x1_0000],
    ['divisor', 1.5],
    ['fifo', new Array(17).fill(0)],
    ['fifo', [-1]],
    ['backlog', new Array(1025).fill(0)],
    ['backlog', new Array(3)],
    ['emptyPending', 1],
    ['scratch', '0'],
    ['trigger', 0],
  ])('%s of %j is refused, and nothing has changed', (member, value) => {
    const { serial, write } = setUp()
    write(SCR, 0x5a)
    const before = serial.save()
    const error = expectRefusal(() => serial.restore({ ...before, [member]: value }), 'ERR_KVM_INVALID_STATE')
    expect(error.operands).toMatchObject({ device: 'serial', member })
    expect(serial.save()).toEqual(before)
  })
})

test('after a reset, what waits on the other end of the wire comes, and its lines are as they were', () => {
  const { serial, interrupt, read, write, receiveAll } = setUp()
  write(FCR, 1)
  write(IER, 1)
  serial.setModemLines({ carrierDetect: false })
  serial.receive(bytes('0123456789abcdefghij'))
  expect(interrupt.level).toBe(true)
  serial.reset()
  expect([interrupt.level, read(IER), read(IIR), read(MSR)]).toEqual([false, 0, 1, 0x30])
  expect(receiveAll()).toBe('ghij')
})
