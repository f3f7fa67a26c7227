import type { IoExit } from 'node-kvm'
import { describe, expect, test } from 'vitest'

import {
  assemble,
  CLEAR_EAX,
  HLT,
  inDx,
  movCx,
  movDi,
  movDx,
  movEax,
  movSi,
  outAl,
  outDx,
  repIns,
  repOuts,
  type Width,
} from './guests.js'
import { type Machine, machine, run, runTo } from './machine.js'

const WIDTHS: Width[] = [1, 2, 4]
const VALUE = 0x4433_2211

/** An exit's members with its data copied. */
const copy = (exit: IoExit) => ({ ...exit, data: [...exit.data] })

describe.each(WIDTHS)('one access of %i bytes', (width) => {
  const bytes = [0x11, 0x22, 0x33, 0x44].slice(0, width)

  test.each([0, 0x1234, 0xffff])('out to port %i', (port) => {
    using m = machine(assemble(movEax(VALUE), movDx(port), outDx(width), HLT))
    const exit = runTo(m.vcpu, 'io')
    expect(copy(exit)).toEqual({ reason: 'io', direction: 'out', port, size: width, count: 1, data: bytes })
    runTo(m.vcpu, 'hlt')
  })

  test.each([0, 0x1234, 0xffff])('in from port %i', (port) => {
    using m = machine(assemble(movEax(0), movDx(port), inDx(width), HLT))
    const exit = runTo(m.vcpu, 'io')
    expect(exit).toMatchObject({ reason: 'io', direction: 'in', port, size: width, count: 1 })
    expect(exit.data).toHaveLength(width)
    exit.data.set(bytes)
    runTo(m.vcpu, 'hlt')
    expect(m.vcpu.getRegs().rax).toBe(BigInt(VALUE) & (2n ** BigInt(8 * width) - 1n))
  })
})

test('the port in the instruction itself', () => {
  using m = machine(assemble([0xb0, 0x41], outAl(0xe9), HLT))
  expect(copy(runTo(m.vcpu, 'io'))).toMatchObject({ port: 0xe9, size: 1, data: [0x41] })
})

test("in narrower than the register leaves the register's other bytes", () => {
  using m = machine(assemble(movEax(0xaabb_ccdd), movDx(0x100), inDx(1), HLT))
  runTo(m.vcpu, 'io').data[0] = 0x11
  runTo(m.vcpu, 'hlt')
  expect(m.vcpu.getRegs().rax).toBe(0xaabb_cc11n)
})

test('accesses of different widths in a row keep their data apart', () => {
  using m = machine(
    assemble(movEax(VALUE), movDx(0x100), outDx(4), CLEAR_EAX, outDx(1), outDx(2), inDx(4), outDx(2), HLT),
  )
  const seen: number[][] = []
  for (let exit = run(m.vcpu); exit.reason === 'io'; exit = run(m.vcpu)) {
    if (exit.direction === 'in') exit.data.set([1, 2, 3, 4])
    else seen.push([...exit.data])
  }
  expect(seen).toEqual([[0x11, 0x22, 0x33, 0x44], [0], [0, 0], [1, 2]])
})

/** Answers or collects every part of a string instruction, up to the halt. */
function transfer(m: Machine, direction: 'in' | 'out', width: number, bytes: Uint8Array): Uint8Array {
  let done = 0
  const moved = new Uint8Array(bytes.length)
  for (let exit = run(m.vcpu); exit.reason === 'io'; exit = run(m.vcpu)) {
    expect(exit).toMatchObject({ direction, port: 0x1234, size: width })
    expect(exit.data).toHaveLength(width * exit.count)
    if (direction === 'in') exit.data.set(bytes.subarray(done, done + exit.data.length))
    moved.set(exit.data, done)
    done += exit.data.length
  }
  expect(done).toBe(bytes.length)
  return moved
}

// KVM may cut a string instruction into several exits; each says how many accesses it holds.
describe.each(WIDTHS)('string instructions of width %i', (width) => {
  test.each([1, 2, 3, 255, 1500])('rep ins of %i brings every byte in order', (count) => {
    const bytes = Uint8Array.from({ length: width * count }, (_, index) => (index * 7) % 251)
    using m = machine(assemble(movDx(0x1234), movDi(0x2000), movCx(count), repIns(width), HLT))
    transfer(m, 'in', width, bytes)
    expect(m.vm.memory.read(0x2000, bytes.length + 1)).toEqual(Uint8Array.of(...bytes, 0))
    expect(m.vcpu.getRegs()).toMatchObject({ rcx: 0n, rdi: BigInt(0x2000 + bytes.length) })
  })

  test.each([1, 2, 3, 255])('rep outs of %i takes every byte in order', (count) => {
    const bytes = Uint8Array.from({ length: width * count }, (_, index) => (index * 7) % 251)
    using m = machine(assemble(movDx(0x1234), movSi(0x2000), movCx(count), repOuts(width), HLT))
    m.vm.memory.write(0x2000, bytes)
    expect(transfer(m, 'out', width, bytes)).toEqual(bytes)
    expect(m.vcpu.getRegs()).toMatchObject({ rcx: 0n, rsi: BigInt(0x2000 + bytes.length) })
  })

  test('rep ins of many is fewer exits than accesses', () => {
    using m = machine(assemble(movDx(0x1234), movDi(0x2000), movCx(64), repIns(width), HLT))
    expect(runTo(m.vcpu, 'io').count).toBeGreaterThan(1)
  })

  test('rep of 0 is no exit', () => {
    using m = machine(assemble(movDx(0x1234), movCx(0), repIns(width), repOuts(width), HLT))
    runTo(m.vcpu, 'hlt')
  })

  test('with the direction flag set, memory is filled downwards', () => {
    using m = machine(assemble([0xfd], movDx(0x1234), movDi(0x2000), movCx(3), repIns(width), HLT))
    const bytes = Uint8Array.from({ length: 3 * width }, (_, index) => index + 1)
    transfer(m, 'in', width, bytes)
    const elements = [2, 1, 0].flatMap((index) => [...bytes.subarray(index * width, (index + 1) * width)])
    expect([...m.vm.memory.read(0x2000 - 2 * width, 3 * width)]).toEqual(elements)
  })
})

test('an exit is valid until the next run: the object is used again', () => {
  using m = machine(assemble([0xb0, 1], outAl(0x10), [0xb0, 2], outAl(0x11), HLT))
  const first = runTo(m.vcpu, 'io')
  const kept = copy(first)
  const second = runTo(m.vcpu, 'io')
  expect([kept.port, kept.data[0], second.port, second.data[0]]).toEqual([0x10, 1, 0x11, 2])
})

test("after close, an exit's data is gone", () => {
  using m = machine(assemble(outAl(0x10), HLT))
  const exit = runTo(m.vcpu, 'io')
  m.vcpu.close()
  expect(exit.data.length).toBe(0)
})
