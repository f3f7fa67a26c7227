import type { MmioExit } from 'node-kvm'
import { describe, expect, test } from 'vitest'

import { assemble, HLT, load, load64, movEax, movEs, store, store64, type Width } from './guests.js'
import { longModeMachine, machine, runTo, SIZE } from './machine.js'

const WIDTHS: Width[] = [1, 2, 4]
const VALUE = 0x4433_2211

const copy = (exit: MmioExit) => ({ ...exit, data: [...exit.data] })

describe.each(WIDTHS)('%i bytes', (width) => {
  const bytes = [0x11, 0x22, 0x33, 0x44].slice(0, width)

  // The first byte after memory, an unaligned one, and the last of a page.
  test.each([SIZE, SIZE + 3, SIZE + 0x1000 - width])('write at %i', (address) => {
    using m = machine(assemble(movEs(0x1000), movEax(VALUE), store(width, address - 0x1_0000), HLT))
    const exit = runTo(m.vcpu, 'mmio')
    expect(copy(exit)).toEqual({ reason: 'mmio', address, isWrite: true, data: bytes })
    runTo(m.vcpu, 'hlt')
  })

  test.each([SIZE, SIZE + 3, SIZE + 0x1000 - width])('read at %i', (address) => {
    using m = machine(assemble(movEs(0x1000), movEax(0), load(width, address - 0x1_0000), HLT))
    const exit = runTo(m.vcpu, 'mmio')
    expect(exit).toMatchObject({ reason: 'mmio', address, isWrite: false })
    expect(exit.data).toHaveLength(width)
    exit.data.set(bytes)
    runTo(m.vcpu, 'hlt')
    expect(m.vcpu.getRegs().rax).toBe(BigInt(VALUE) & (2n ** BigInt(8 * width) - 1n))
  })
})

test('8 bytes, in 64-bit mode', () => {
  const address = 0x20_0018
  using m = longModeMachine(assemble(load64(address), store64(address + 8), HLT))
  const read = runTo(m.vcpu, 'mmio')
  expect(copy(read)).toMatchObject({ address, isWrite: false })
  expect(read.data).toHaveLength(8)
  read.data.set([1, 2, 3, 4, 5, 6, 7, 8])
  const write = runTo(m.vcpu, 'mmio')
  expect(copy(write)).toEqual({ reason: 'mmio', address: address + 8, isWrite: true, data: [1, 2, 3, 4, 5, 6, 7, 8] })
  runTo(m.vcpu, 'hlt')
  expect(m.vcpu.getRegs().rax).toBe(0x0807_0605_0403_0201n)
})

describe('across the end of memory', () => {
  test.each([1, 2, 3])('a write of 4 with %i in memory: those arrive there, the others are the exit', (inside) => {
    using m = machine(assemble(movEs(0xf00), movEax(VALUE), store(4, 0x1000 - inside), HLT))
    expect(copy(runTo(m.vcpu, 'mmio'))).toEqual({
      reason: 'mmio',
      address: SIZE,
      isWrite: true,
      data: [0x11, 0x22, 0x33, 0x44].slice(inside),
    })
    expect([...m.vm.memory.read(SIZE - 3, 3)].slice(3 - inside)).toEqual([0x11, 0x22, 0x33].slice(0, inside))
    runTo(m.vcpu, 'hlt')
  })

  test.each([1, 2, 3])('a read of 4 with %i in memory', (inside) => {
    using m = machine(assemble(movEs(0xf00), movEax(0), load(4, 0x1000 - inside), HLT))
    m.vm.memory.write(SIZE - inside, Uint8Array.of(0x11, 0x22, 0x33).subarray(0, inside))
    const exit = runTo(m.vcpu, 'mmio')
    expect(exit).toMatchObject({ address: SIZE, isWrite: false })
    expect(exit.data).toHaveLength(4 - inside)
    exit.data.set([0x11, 0x22, 0x33, 0x44].slice(inside))
    runTo(m.vcpu, 'hlt')
    expect(m.vcpu.getRegs().rax).toBe(BigInt(VALUE))
  })

  test('from nothing into memory', () => {
    using m = machine(assemble(movEs(0x1f00), movEax(VALUE), store(4, 0xffe), HLT))
    m.vm.addMemory({ at: 0x2_0000, size: 0x1000 })
    expect(copy(runTo(m.vcpu, 'mmio'))).toEqual({
      reason: 'mmio',
      address: 0x1_fffe,
      isWrite: true,
      data: [0x11, 0x22],
    })
    runTo(m.vcpu, 'hlt')
    expect(m.vm.memory.readUint16(0x2_0000)).toBe(0x4433)
  })
})

test('across two pages without memory: two exits, one for each', () => {
  using m = machine(assemble(movEs(0x2000), movEax(VALUE), store(4, 0xfff), load(4, 0xffd), HLT))
  expect(copy(runTo(m.vcpu, 'mmio'))).toMatchObject({ address: 0x2_0fff, isWrite: true, data: [0x11] })
  expect(copy(runTo(m.vcpu, 'mmio'))).toMatchObject({ address: 0x2_1000, isWrite: true, data: [0x22, 0x33, 0x44] })
  runTo(m.vcpu, 'mmio').data.set([1, 2, 3])
  const rest = runTo(m.vcpu, 'mmio')
  expect(rest).toMatchObject({ address: 0x2_1000, isWrite: false })
  expect(rest.data).toHaveLength(1)
  rest.data[0] = 4
  runTo(m.vcpu, 'hlt')
  expect(m.vcpu.getRegs().rax).toBe(0x0403_0201n)
})

test('an answer that is not given reads as what was there before, and never as a crash', () => {
  using m = machine(assemble(movEs(0x2000), load(4, 0), HLT))
  runTo(m.vcpu, 'mmio')
  runTo(m.vcpu, 'hlt')
  expect(m.vcpu.getRegs().rax).toBeLessThan(2n ** 32n)
})

test("after close, an exit's data is gone", () => {
  using m = machine(assemble(movEs(0x2000), load(4, 0), HLT))
  const exit = runTo(m.vcpu, 'mmio')
  m.vm.close()
  expect(exit.data.length).toBe(0)
})
