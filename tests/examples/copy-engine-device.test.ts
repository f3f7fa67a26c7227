// The device of lesson 18, without a machine: memory and an interrupt line are all that it needs.
import { plainMemory } from 'node-kvm'
import { expect, test } from 'vitest'
import { CopyEngine } from '../../examples/devices/copy-engine.js'

const [SOURCE, DESTINATION, LENGTH, STATUS] = [0x00, 0x08, 0x10, 0x14]
const [DONE, FAILED] = [1, 2]

function setUp() {
  const memory = plainMemory({ at: 0, size: 0x4000 }, { at: 0x8000, size: 0x1000, readonly: true })
  const levels: boolean[] = []
  const device = new CopyEngine(memory, { set: (level) => levels.push(level) })
  const write = (offset: number, value: number | bigint, width: 4 | 8 = 4) => {
    const data = new DataView(new ArrayBuffer(8))
    data.setBigUint64(0, BigInt(value), true)
    void device.write(offset, new Uint8Array(data.buffer, 0, width))
  }
  const status = () => {
    const data = new Uint8Array(4)
    device.read(STATUS, data)
    return data[0]
  }
  return { memory, levels, device, write, status }
}

test('copies what the guest names, and interrupts until the guest has heard', () => {
  const { memory, levels, write, status } = setUp()
  memory.write(0x1000, Uint8Array.of(1, 2, 3, 4, 5))
  write(SOURCE, 0x1000, 8)
  write(DESTINATION, 0x2ffe) // half of the register; the other half keeps its zeros
  write(LENGTH, 5)
  expect([memory.read(0x2ffe, 5), status(), levels]).toEqual([Uint8Array.of(1, 2, 3, 4, 5), DONE, [true]])
  write(STATUS, DONE)
  expect([status(), levels]).toEqual([0, [true, false]])
})

test.each([
  ['a source outside of memory', 0x4000n, 0x1000n, 1],
  ['a source past all that an address can be', 2n ** 64n - 1n, 0x1000n, 1],
  ['a destination that ends outside', 0x1000n, 0x3fffn, 2],
  ['a destination that is read-only', 0x1000n, 0x8000n, 1],
  ['4 GiB less a byte', 0x1000n, 0x2000n, 0xffff_ffff],
])('fails, and says so, for %s', (_, source, destination, length) => {
  const { memory, write, status } = setUp()
  memory.fill(0x1000, 0x100, 7)
  const before = memory.read(0, 0x4000)
  write(SOURCE, source, 8)
  write(DESTINATION, destination, 8)
  write(LENGTH, length)
  expect([status(), memory.read(0, 0x4000)]).toEqual([FAILED, before])
})

test('a reset clears it, and its interrupt', () => {
  const { device, levels, write, status } = setUp()
  write(LENGTH, 0)
  device.reset()
  expect([levels, status()]).toEqual([[true, false], 0])
})
