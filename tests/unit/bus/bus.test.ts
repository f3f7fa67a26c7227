import { describe, expect, test } from 'vitest'

import { accessEach, Bus, type BusOptions, type Device, type Stateful } from '../../../lib/bus/index.js'
import { expectRefusal, NOT_OBJECTS, NOT_WHOLE_NUMBERS } from '../../thrown.js'

type Access = [kind: 'read' | 'write', offset: number, ...bytes: number[]]

/** A device that notes what it is asked, and reads as `first`, `first + 1` and so on. */
class Recorder implements Device {
  readonly accesses: Access[] = []
  constructor(readonly first = 0) {}
  read(offset: number, data: Uint8Array): void {
    data.forEach((_, index) => (data[index] = this.first + offset + index))
    this.accesses.push(['read', offset, data.length])
  }
  write(offset: number, data: Uint8Array): void {
    this.accesses.push(['write', offset, ...data])
  }
}

const ports = (options: Partial<BusOptions> = {}) => new Bus({ name: 'port', size: 0x1_0000, ...options })
const read = (bus: Bus, address: number, length: number) => {
  const data = new Uint8Array(length)
  void bus.read(address, data)
  return [...data]
}

describe('mapping', () => {
  test('the first and the last address of the space can be mapped, one beyond cannot', () => {
    const bus = ports()
    bus.map(0, 1, new Recorder())
    bus.map(0xffff, 1, new Recorder())
    expectRefusal(() => bus.map(0x1_0000, 1, new Recorder()), 'ERR_KVM_INVALID_ARGUMENT', /start/)
    expectRefusal(() => bus.map(0xfffe, 3, new Recorder()), 'ERR_KVM_INVALID_ARGUMENT', /length/)
    expect(bus.mappings.map(({ start }) => start)).toEqual([0, 0xffff])
  })

  test.each([
    [0xff, 2],
    [0x100, 1],
    [0x107, 1],
    [0x107, 0x10],
    [0xf0, 0x100],
    [0x102, 2],
  ])('a range that overlaps another one is refused with both: %i, %i', (start, length) => {
    const bus = ports()
    bus.map(0x100, 8, new Recorder())
    const error = expectRefusal(() => bus.map(start, length, new Recorder()), 'ERR_KVM_BUS_OVERLAP', /0x100 to 0x107/)
    expect(error.operands).toEqual({ bus: 'port', wanted: { start, length }, taken: { start: 0x100, length: 8 } })
    expect(bus.mappings).toHaveLength(1)
  })

  test('neighbours may touch', () => {
    const bus = ports()
    bus.map(0x100, 8, new Recorder())
    bus.map(0xff, 1, new Recorder())
    bus.map(0x108, 1, new Recorder())
    expect(bus.mappings.map(({ start }) => start)).toEqual([0xff, 0x100, 0x108])
  })

  test('what is no number, no device and no option is refused', () => {
    const bus = ports()
    for (const value of NOT_WHOLE_NUMBERS) {
      expectRefusal(() => bus.map(value as number, 1, new Recorder()), 'ERR_KVM_INVALID_ARGUMENT')
      expectRefusal(() => bus.map(0, value as number, new Recorder()), 'ERR_KVM_INVALID_ARGUMENT')
    }
    expectRefusal(() => bus.map(0, 0, new Recorder()), 'ERR_KVM_INVALID_ARGUMENT')
    for (const value of [...NOT_OBJECTS, { read: () => undefined }]) {
      expectRefusal(() => bus.map(0, 1, value as Device), 'ERR_KVM_INVALID_ARGUMENT', /device/)
    }
    expectRefusal(() => bus.map(0, 1, new Recorder(), { ofset: 1 } as object), 'ERR_KVM_INVALID_ARGUMENT', /ofset/)
    expectRefusal(() => new Bus({ name: 'isa' as 'port', size: 1 }), 'ERR_KVM_INVALID_ARGUMENT')
    expect(bus.mappings).toEqual([])
  })

  test('an unmapped device answers no more, and its place is free', () => {
    const bus = ports()
    const mapping = bus.map(0x10, 4, new Recorder(1))
    expect(read(bus, 0x10, 1)).toEqual([1])
    mapping.unmap()
    mapping.unmap()
    expect(read(bus, 0x10, 1)).toEqual([0xff])
    bus.map(0x12, 4, new Recorder(7))
    expect(read(bus, 0x12, 1)).toEqual([7])
  })

  test('a device may unmap itself and map another one from inside a write', () => {
    const bus = ports()
    const mapping = bus.map(0x10, 1, {
      read: () => undefined,
      write: () => {
        mapping.unmap()
        bus.map(0x10, 1, new Recorder(5))
      },
    })
    void bus.write(0x10, Uint8Array.of(0))
    expect(read(bus, 0x10, 1)).toEqual([5])
  })
})

describe('access', () => {
  test.each([1, 2, 4, 8, 3, 5])('a device sees its own offset, and the width %i', (width) => {
    const bus = ports()
    const device = new Recorder()
    bus.map(0x100, 0x10, device)
    void bus.write(0x101, new Uint8Array(width).fill(9))
    expect(read(bus, 0x110 - width, width)).toEqual(Array.from({ length: width }, (_, i) => 0x10 - width + i))
    expect(device.accesses).toEqual([
      ['write', 1, ...new Array<number>(width).fill(9)],
      ['read', 0x10 - width, width],
    ])
  })

  test('with an offset, a part of a device answers', () => {
    const bus = ports()
    const device = new Recorder()
    bus.map(0x60, 1, device)
    bus.map(0x64, 1, device, { offset: 4 })
    read(bus, 0x60, 1)
    read(bus, 0x64, 1)
    expect(device.accesses).toEqual([
      ['read', 0, 1],
      ['read', 4, 1],
    ])
  })

  test('an access over two devices is split at the border', () => {
    const bus = ports()
    const [low, high] = [new Recorder(0x10), new Recorder(0x20)]
    bus.map(0x100, 4, low)
    bus.map(0x104, 4, high)
    expect(read(bus, 0x103, 4)).toEqual([0x13, 0x20, 0x21, 0x22])
    void bus.write(0x102, Uint8Array.of(1, 2, 3, 4))
    expect(low.accesses.at(-1)).toEqual(['write', 2, 1, 2])
    expect(high.accesses.at(-1)).toEqual(['write', 0, 3, 4])
    expect(bus.unclaimed).toEqual({ reads: 0, writes: 0 })
  })

  test('an access over a device and nothing reads ones where nothing is', () => {
    const bus = ports()
    bus.map(0x102, 1, new Recorder(7))
    bus.map(0x104, 1, new Recorder(8))
    expect(read(bus, 0x100, 8)).toEqual([0xff, 0xff, 7, 0xff, 8, 0xff, 0xff, 0xff])
    expect(bus.unclaimed).toEqual({ reads: 1, writes: 0, last: { address: 0x100, length: 8, isWrite: false } })
  })

  test('past the last address there is nothing', () => {
    const bus = ports()
    bus.map(0xffff, 1, new Recorder(7))
    expect(read(bus, 0xffff, 4)).toEqual([7, 0xff, 0xff, 0xff])
    const mmio = new Bus({ name: 'mmio', size: 2 ** 52 })
    mmio.map(2 ** 52 - 4, 4, new Recorder(7))
    expect(read(mmio, 2 ** 52 - 4, 8)).toEqual([7, 8, 9, 10, 0xff, 0xff, 0xff, 0xff])
  })

  test('what nobody claims reads ones, swallows writes, and is counted', () => {
    const bus = ports()
    expect(read(bus, 0x80, 2)).toEqual([0xff, 0xff])
    void bus.write(0x81, Uint8Array.of(1))
    expect(bus.unclaimed).toEqual({ reads: 1, writes: 1, last: { address: 0x81, length: 1, isWrite: true } })
  })

  test('a strict bus stops there and says where', () => {
    const bus = ports({ strict: true })
    bus.map(0x100, 2, new Recorder())
    read(bus, 0x100, 2)
    const error = expectRefusal(() => read(bus, 0x101, 2), 'ERR_KVM_UNCLAIMED_ACCESS', /read of 2 bytes at port 0x101/)
    expect(error.operands).toEqual({ bus: 'port', address: 0x101, length: 2, isWrite: false })
    expectRefusal(
      () => bus.write(0x300, Uint8Array.of(1)),
      'ERR_KVM_UNCLAIMED_ACCESS',
      /write of 1 bytes at port 0x300/,
    )
    expect(bus.unclaimed).toMatchObject({ reads: 1, writes: 1 })
  })
})

describe('string I/O', () => {
  test('is one access for each element, all at the same port', () => {
    const bus = ports()
    const device = new Recorder(3)
    bus.map(0x100, 2, device)
    void accessEach(bus, 0x100, 2, 3, Uint8Array.of(1, 2, 3, 4, 5, 6), true)
    expect(device.accesses).toEqual([
      ['write', 0, 1, 2],
      ['write', 0, 3, 4],
      ['write', 0, 5, 6],
    ])
    const data = new Uint8Array(4)
    void accessEach(bus, 0x101, 1, 4, data, false)
    expect([...data]).toEqual([4, 4, 4, 4])
  })

  test('of one element needs no copy', () => {
    const bus = ports()
    const data = new Uint8Array(1)
    bus.map(0, 1, { read: (_, bytes) => expect(bytes).toBe(data), write: (_, bytes) => expect(bytes).toBe(data) })
    void accessEach(bus, 0, 1, 1, data, false)
    void accessEach(bus, 0, 1, 1, data, true)
    expect.assertions(2)
  })
})

describe('replacing a device', () => {
  class Counter extends Recorder implements Stateful<{ count: number }> {
    count = 0
    override write(): void {
      this.count++
    }
    save() {
      return { count: this.count }
    }
    restore({ count }: { count: number }): void {
      if (count > 2) throw new Error('too much')
      this.count = count
    }
  }

  test('carries the state over when both have one', () => {
    const bus = ports()
    const mapping = bus.map(0x10, 1, new Counter())
    void bus.write(0x10, Uint8Array.of(0))
    const next = new Counter()
    mapping.replace(next)
    expect([next.count, mapping.device]).toEqual([1, next])
    mapping.replace(new Recorder(4))
    expect(read(bus, 0x10, 1)).toEqual([4])
  })

  test('leaves the old one in place when the new one refuses the state', () => {
    const bus = ports()
    const old = new Counter()
    const mapping = bus.map(0x10, 1, old)
    for (let n = 0; n < 3; n++) void bus.write(0x10, Uint8Array.of(0))
    expect(() => mapping.replace(new Counter())).toThrow('too much')
    expect(mapping.device).toBe(old)
  })

  test('is refused once it is unmapped', () => {
    const mapping = ports().map(0x10, 1, new Recorder())
    mapping.unmap()
    expectRefusal(() => mapping.replace(new Recorder()), 'ERR_KVM_CLOSED', /0x10/)
  })
})
