// How a function interrupts: by its line, and by messages; and what it is without being a bus master.
import { describe, expect, test } from 'vitest'

import type { PciContext, PciDevice } from '../../../lib/pci/index.js'
import { expectRefusal } from '../../thrown.js'
import { accesses, byPorts, IDENTITY, pciBus, Registers16, type TestBus } from './pci.js'

const [COMMAND, STATUS] = [4, 6]
const [IO_AND_MEMORY, MASTER, NO_INTX] = [3, 4, 0x400]
const INTERRUPT_STATUS = 8

/** A function whose context the test keeps. */
function put(test: TestBus, device: Partial<PciDevice>) {
  let context: PciContext | undefined
  const made = test.add((given) => {
    context = given
    return { identity: IDENTITY, ...device }
  })
  return { made, context: context!, ...byPorts(test, made.address.slot) }
}

describe('the line', () => {
  test('is what the function says, unless the guest has it off; the status tells in any case', () => {
    const test = pciBus()
    const { context, read, write } = put(test, { pin: true })
    const line = context.interrupt()
    expect([read(0x3d, 1), read(0x3c, 1)]).toEqual([1, 17])
    line.set(true)
    expect([test.lines.get(17), read(STATUS, 2) & INTERRUPT_STATUS]).toEqual([true, INTERRUPT_STATUS])
    write(COMMAND, NO_INTX, 2)
    expect([test.lines.get(17), read(STATUS, 2) & INTERRUPT_STATUS]).toEqual([false, INTERRUPT_STATUS])
    write(COMMAND, 0, 2)
    expect(test.lines.get(17)).toBe(true)
    line.set(false)
    expect([test.lines.get(17), read(STATUS, 2) & INTERRUPT_STATUS]).toEqual([false, 0])
  })

  test('is shared: high while either wants it', () => {
    const test = pciBus()
    const lines = [1, 5].map((slot) => {
      let line: ReturnType<PciContext['interrupt']> | undefined
      test.add(
        (context) => {
          line = context.interrupt()
          return { identity: IDENTITY, pin: true }
        },
        { slot },
      )
      return line!
    })
    lines[0]!.set(true)
    lines[1]!.set(true)
    lines[0]!.set(false)
    expect(test.lines.get(17)).toBe(true)
    byPorts(test, 5).write(COMMAND, NO_INTX, 2)
    expect(test.lines.get(17)).toBe(false)
  })

  test('falls with a reset', () => {
    const test = pciBus()
    const { made, context } = put(test, { pin: true })
    context.interrupt().set(true)
    void made.reset()
    expect(test.lines.get(17)).toBe(false)
  })
})

describe('messages', () => {
  const CONTROL = 0x42
  const [ENABLE, MASK_ALL] = [0x8000, 0x4000]

  /** A function with MSI-X, a bus master, its vectors' table, and what triggers them. */
  function withVectors(count: number, device: Partial<PciDevice> = {}) {
    const test = pciBus()
    const all = put(test, { vectors: count, ...device })
    const table = accesses({
      read: (offset, data) => test.mmio.read(all.made.bars[0]!.start! + offset, data),
      write: (offset, data) => test.mmio.write(all.made.bars[0]!.start! + offset, data),
    })
    all.write(COMMAND, IO_AND_MEMORY | MASTER, 2)
    const entry = (vector: number, data: number, control = 0, address = 0xfee0_0000) => {
      table.write(16 * vector, address)
      table.write(16 * vector + 4, 0)
      table.write(16 * vector + 8, data)
      table.write(16 * vector + 12, control)
    }
    const pending = (vector: number) => {
      const word = table.read(all.made.bars[0]!.length / 2 + Math.floor(vector / 32) * 4)
      return (word >>> (vector % 32)) & 1
    }
    return { test, ...all, table, entry, pending }
  }

  test('the capability says how many, and where', () => {
    const { read, made } = withVectors(3)
    expect([read(STATUS, 2) & 0x10, read(0x34, 1), read(0x40, 1), read(0x41, 1)]).toEqual([0x10, 0x40, 0x11, 0])
    expect([read(CONTROL, 2), read(0x44), read(0x48), made.bars[0]!.length]).toEqual([2, 0, 0x1000, 0x2000])
    const { read: large, made: other } = withVectors(2048, {
      bars: [{ kind: 'memory', length: 16, device: new Registers16() }],
    })
    expect([large(CONTROL, 2), large(0x44), large(0x48), other.bars[1]!.length]).toEqual([2047, 1, 0x8001, 0x1_0000])
  })

  test('are sent as the table says; the line is low meanwhile', () => {
    const { test, context, write, entry } = withVectors(2, { pin: true })
    const vectors = [context.vector(0), context.vector(1)]
    context.interrupt().set(true)
    vectors[0]!.trigger()
    entry(0, 0x41)
    entry(1, 0x42, 0, 0xfee0_1000)
    expect([test.sent, context.messages, test.lines.get(17)]).toEqual([[], false, true])
    write(CONTROL, ENABLE, 2)
    expect([test.sent, context.messages, test.lines.get(17)]).toEqual([[], true, false])
    vectors[1]!.trigger()
    vectors[0]!.trigger()
    expect(test.sent).toEqual([
      { address: 0xfee0_1000, data: 0x42 },
      { address: 0xfee0_0000, data: 0x41 },
    ])
    write(CONTROL, 0, 2)
    expect(test.lines.get(17)).toBe(true)
  })

  test('whose routes the host refuses are tried again', () => {
    const { test, context, write, entry, table } = withVectors(1)
    write(CONTROL, ENABLE, 2)
    test.refuseRoutes(new Error('no descriptor is left'))
    expect(() => entry(0, 0x41)).toThrow('no descriptor is left')
    table.write(12, 0)
    context.vector(0).trigger()
    expect(test.sent).toEqual([{ address: 0xfee0_0000, data: 0x41 }])
  })

  test('an event of the host sends one past JavaScript while it is open, and only then', () => {
    const { test, context, write, table, entry } = withVectors(4)
    const event = { signal: () => undefined }
    const connection = context.vector(2).connect(event)
    const seen = [test.linked.size]
    const then = (act: () => void) => {
      act()
      seen.push(test.linked.size)
    }
    entry(2, 0x41)
    then(() => write(CONTROL, ENABLE, 2))
    then(() => table.write(16 * 2 + 12, 1))
    then(() => table.write(16 * 2 + 12, 0))
    then(() => write(CONTROL, ENABLE | MASK_ALL, 2))
    then(() => write(CONTROL, ENABLE, 2))
    then(() => write(COMMAND, IO_AND_MEMORY, 2))
    then(() => write(COMMAND, IO_AND_MEMORY | MASTER, 2))
    then(() => write(CONTROL, 0, 2))
    then(() => write(CONTROL, ENABLE, 2))
    expect(seen).toEqual([0, 1, 0, 1, 0, 1, 0, 1, 0, 1])
    connection.close()
    expect(test.linked.size).toBe(0)
  })

  test('are pending while one vector, or all, are masked, or the function is no bus master; once', () => {
    const { test, context, write, table, entry, pending } = withVectors(40)
    const vector = context.vector(35)
    entry(35, 0x61, 1)
    write(CONTROL, ENABLE, 2)
    vector.trigger()
    vector.trigger()
    expect([test.sent, pending(35), pending(34)]).toEqual([[], 1, 0])
    table.write(16 * 35 + 12, 0)
    expect([test.sent.length, pending(35)]).toEqual([1, 0])
    write(CONTROL, ENABLE | MASK_ALL, 2)
    vector.trigger()
    expect([test.sent.length, pending(35)]).toEqual([1, 1])
    write(COMMAND, IO_AND_MEMORY, 2)
    write(CONTROL, ENABLE, 2)
    expect([test.sent.length, pending(35)]).toEqual([1, 1])
    write(COMMAND, IO_AND_MEMORY | MASTER, 2)
    expect([test.sent.length, pending(35)]).toEqual([2, 0])
  })

  test('what is pending is forgotten when MSI-X is switched off, or the function reset', () => {
    const { test, context, made, write, entry, pending } = withVectors(1)
    entry(0, 0x61, 1)
    for (const forget of [() => write(CONTROL, 0, 2), () => void made.reset()]) {
      write(COMMAND, IO_AND_MEMORY | MASTER, 2)
      write(CONTROL, ENABLE, 2)
      context.vector(0).trigger()
      expect(pending(0)).toBe(1)
      forget()
      expect(pending(0)).toBe(0)
    }
    expect(test.sent).toEqual([])
  })

  test('the table takes accesses of any width, over entries, and into nothing', () => {
    const { test, context, write, table } = withVectors(2)
    write(CONTROL, ENABLE, 2)
    // Address, data and control of vector 0, a byte at a time.
    const bytes = [0, 0, 0xe0, 0xfe, 0, 0, 0, 0, 0x51, 0, 0, 0, 0, 0, 0, 0]
    for (const [offset, byte] of bytes.entries()) table.write(offset, byte, 1)
    context.vector(0).trigger()
    // Data and control of vector 0, and the address of vector 1, in one.
    expect(table.read(13, 6)).toBe(0)
    table.write(14, 0xffff_ffff_ffff, 6)
    expect([table.read(12), table.read(16)]).toEqual([0, 0xffff_ffff])
    // Reserved bits of the control word stay zero; what is behind the table, and the pending bits, cannot be written.
    table.write(28, 0xffff_ffff)
    expect(table.read(28)).toBe(1)
    table.write(30, 0xffff_ffff_ffff, 6)
    table.write(0x1000, 0xffff_ffff)
    expect([table.read(32), table.read(0x1000), table.read(0x1ffe, 4)]).toEqual([0, 0, 0xffff_0000])
    expect(test.sent).toEqual([{ address: 0xfee0_0000, data: 0x51 }])
  })
})

describe('a bus master', () => {
  test('reaches memory; another function does not', () => {
    const test = pciBus()
    const { context, write } = put(test, {})
    const { memory } = context
    test.memory.write(0x1000, Uint8Array.of(1, 2, 3, 4))
    const tries = () => [
      memory.regions.length,
      memory.read(0x1000, 2),
      memory.write(0x1100, Uint8Array.of(7)),
      memory.fill(0x1200, 2, 9),
      memory.slices(0x1000, 4, 'read')?.length,
      memory.loadUint16(0x1000),
      memory.loadUint32(0x1000),
      memory.storeUint16(0x1300, 5),
      memory.storeUint32(0x1400, 6),
    ]
    expect(tries()).toEqual([0, undefined, false, false, undefined, undefined, undefined, false, false])
    expect(test.memory.read(0x1100, 0x304)?.some((byte) => byte !== 0)).toBe(false)
    write(COMMAND, MASTER, 2)
    expect(tries()).toEqual([1, Uint8Array.of(1, 2), true, true, 1, 0x201, 0x403_0201, true, true])
    write(COMMAND, 0, 2)
    expect(memory.read(0x1000, 2)).toBeUndefined()
  })

  test('is told of each change, for what reaches memory by another way', () => {
    const { context, write } = put(pciBus(), {})
    const seen: number[] = []
    const end = context.memory.watch?.(() => seen.push(context.memory.regions.length))
    write(COMMAND, MASTER, 2)
    write(COMMAND, MASTER | IO_AND_MEMORY, 2)
    write(COMMAND, 0, 2)
    end?.()
    write(COMMAND, MASTER, 2)
    expect(seen).toEqual([1, 0])
  })
})

describe('what a function has not, it cannot use', () => {
  test.each<[string, Partial<PciDevice>, (context: PciContext) => unknown]>([
    ['pin', {}, (context) => context.interrupt()],
    ['vectors', {}, (context) => context.vector(0)],
    ['index', { vectors: 2 }, (context) => context.vector(2)],
    ['bar', {}, (context) => context.doorbell(0, { offset: 0 }, () => undefined)],
  ])('%s', (name, device, use) => {
    const { context } = put(pciBus(), device)
    expectRefusal(() => use(context), 'ERR_KVM_INVALID_ARGUMENT', new RegExp(name))
    const early = () =>
      pciBus().add((given) => {
        use(given)
        return { identity: IDENTITY, ...device }
      })
    expectRefusal(early, 'ERR_KVM_INVALID_ARGUMENT', new RegExp(name))
  })
})
