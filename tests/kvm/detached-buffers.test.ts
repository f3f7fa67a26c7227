// What JavaScript does to the buffers that it is given disturbs nobody: neither the library's own accesses nor other views.
import type { Exit } from 'node-kvm'
import { describe, expect, test } from 'vitest'

import { PATIENCE } from './amounts.js'
import { assemble, HLT, movAl, outAl, storeByte } from './guests.js'
import { machine, run, runTo, START } from './machine.js'
import { runScript } from './run-script.js'
import { runToHalt } from './threaded.js'
import { post } from './cells.js'

// ArrayBuffer.prototype.transfer() came with Node 21; before it a buffer of ours cannot be detached from outside.
const takes = 'transfer' in ArrayBuffer.prototype
const needs = takes ? '' : ' (NOT TRIED: needs Node 21 or later)'
const take = (view: ArrayBufferView): ArrayBuffer =>
  (view.buffer as ArrayBuffer & { transfer(): ArrayBuffer }).transfer()

const dataOf = (exit: Exit): Uint8Array => (exit as Exit & { data: Uint8Array }).data

test('structuredClone() takes none away', () => {
  using m = machine(assemble(movAl(7), outAl(1), HLT))
  const exit = runTo(m.vcpu, 'io')
  for (const { buffer } of [exit.data, m.vm.memory.view(START, 4)]) {
    try {
      structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
    } catch (error) {
      expect(error).toBeInstanceOf(DOMException) // later Nodes say so, Node 20 makes a copy
    }
    expect(buffer.byteLength).toBeGreaterThan(0)
  }
})

test('each view of memory has a buffer of its own, aligned as the memory is', () => {
  using m = machine(assemble(HLT))
  const [one, other] = [m.vm.memory.view(START + 4, 4), m.vm.memory.view(START + 4, 4)]
  expect(one.buffer).not.toBe(other.buffer)
  expect(Atomics.add(new Int32Array(one.buffer, one.byteOffset, 1), 0, 5)).toBe(0)
  expect(other[0]).toBe(5)
})

describe.runIf(takes)(`when a buffer has been taken${needs}`, () => {
  test('of memory: the memory, other views and the guest do not notice', () => {
    using m = machine(assemble(storeByte(0x2000, 9), HLT))
    const [mine, other] = [m.vm.memory.view(0x2000, 1), m.vm.memory.view(0x2000, 1)]
    const taken = new Uint8Array(take(mine))
    expect(mine).toHaveLength(0)
    runTo(m.vcpu, 'hlt')
    expect([other[0], m.vm.memory.readUint8(0x2000), taken[0x2000]]).toEqual([9, 9, 9])
    m.vm.close()
    expect(taken[0x2000]).toBe(0)
  })

  test("of a device's slice: the next access opens another", () => {
    using m = machine(assemble(storeByte(0x2000, 9), HLT))
    const { dma } = m.vm.memory
    take(dma.slices(0x2000, 1, 'write')?.[0] as Uint8Array)
    runTo(m.vcpu, 'hlt')
    expect([dma.read(0x2000, 1), m.vm.memory.readUint8(0x2000)]).toEqual([Uint8Array.of(9), 9])
    m.vm.close()
    expect([dma.read(0x2000, 1), dma.write(0x2000, Uint8Array.of(1)), dma.loadUint32(0x2000)]).toEqual([
      undefined,
      false,
      undefined,
    ])
  })

  test('of an exit, the next exits have another', () => {
    using m = machine(assemble(movAl(7), outAl(1), outAl(2), storeByte(0, 1), HLT))
    m.vcpu.setSregs({ es: { base: 0x10_0000n, selector: 0 } })
    take(dataOf(run(m.vcpu)))
    expect(runTo(m.vcpu, 'io')).toMatchObject({ port: 2, data: Uint8Array.of(7) })
    take(dataOf(runTo(m.vcpu, 'mmio')))
    runTo(m.vcpu, 'hlt')
    expect(m.vcpu.getRegs().rax & 0xffn).toBe(7n)
  })

  test('of posted writes, the next ones arrive', async () => {
    using m = machine(assemble(movAl(1), outAl(0x40), movAl(2), outAl(0x40), movAl(3), outAl(0x40), HLT))
    const seen: number[] = []
    post(m.vm, { port: 0x40, length: 1 }, (_offset, data) => {
      seen.push(data[0]!)
      take(data)
    })
    await runToHalt(m.vcpu)
    expect(seen).toEqual([1, 2, 3])
  })

  test.each(['memory', 'exit'])(
    'by a worker that has ended, it can be looked at: %s',
    { timeout: 2 * PATIENCE },
    (what) => {
      expect(runScript('taken-buffer', [what])).toEqual({ status: 0, signal: null, stdout: 'alive\n', stderr: '' })
    },
  )
})
