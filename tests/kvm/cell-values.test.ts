// Reads that the vCPU's thread answers from a value that JavaScript keeps current.
import { describe, expect, test } from 'vitest'

import {
  assemble,
  CLEAR_EAX,
  HLT,
  inDx,
  load,
  load64,
  movAl,
  movCx,
  movDi,
  movDx,
  movEs,
  outAl,
  outDx,
  repIns,
  type Width,
} from './guests.js'
import { PATIENCE } from './amounts.js'
import { longModeMachine, machine, runTo } from './machine.js'
import { addVcpu, runToHalt, until } from './threaded.js'
import { answer } from './cells.js'

const VALUE = 0x8877_6655_4433_2211n
const bytesOf = (offset: number, width: number) => (VALUE >> BigInt(8 * offset)) & (2n ** BigInt(8 * width) - 1n)

describe('a latched read', () => {
  const widths: Width[] = [1, 2, 4]
  const cases = [1, 2, 3, 4, 5, 6, 7, 8].flatMap((latched) =>
    widths.flatMap((width) => Array.from({ length: 8 }, (_, offset) => ({ latched, width, offset }))),
  )

  test(
    'of a port is answered at each width and offset that lies in it; else it exits',
    { timeout: PATIENCE },
    async () => {
      for (const { latched, width, offset } of cases) {
        if (offset + width > latched + 1) continue // one past the end is enough
        using m = machine(assemble(CLEAR_EAX, movDx(0x100 + offset), inDx(width), HLT))
        answer(m.vm, { port: 0x100, width: latched }, bytesOf(0, latched))
        let exits = 0
        await runToHalt(m.vcpu, (exit) => {
          exits++
          if (exit.reason === 'io') exit.data.fill(0xff)
        })
        const inside = offset + width <= latched
        const expected = inside ? bytesOf(offset, width) : 2n ** BigInt(8 * width) - 1n
        expect([latched, width, offset, exits, m.vcpu.getRegs().rax]).toEqual([
          latched,
          width,
          offset,
          inside ? 0 : 1,
          expected,
        ])
        expect(m.vcpu.stats?.latched).toBe(inside ? 1 : 0)
      }
    },
  )

  test.each(widths)('of %i bytes of memory that is not there', async (width) => {
    using m = machine(assemble(movEs(0x2000), CLEAR_EAX, load(width, 0x13), HLT))
    answer(m.vm, { address: 0x2_0010, width: 8 }, VALUE)
    await runToHalt(m.vcpu)
    expect(m.vcpu.getRegs().rax).toBe(bytesOf(3, width))
  })

  test('of 8 bytes', async () => {
    const address = 0x1_0000_0000
    using m = longModeMachine(assemble(load64(address), HLT))
    answer(m.vm, { address, width: 8 }, VALUE)
    await runToHalt(m.vcpu)
    expect(m.vcpu.getRegs().rax).toBe(VALUE)
  })

  test('of one half of an access over two pages; the other half exits', async () => {
    using m = machine(assemble(movEs(0x2000), CLEAR_EAX, load(4, 0xffe), HLT))
    answer(m.vm, { address: 0x2_1000, width: 2 }, 0x4433n)
    await runToHalt(m.vcpu, (exit) => {
      if (exit.reason !== 'mmio') throw new Error(exit.reason)
      expect([exit.address, exit.data.length]).toEqual([0x2_0ffe, 2])
      exit.data.set([0x11, 0x22])
      expect(m.vcpu.getRegs().rax).toBe(0x4433_2211n) // the second half was answered on the thread, too
    })
    expect(m.vcpu.getRegs().rax).toBe(0x4433_2211n)
  })

  test('by string input: each element is the value', async () => {
    using m = machine(assemble(movDx(0x100), movDi(0x2000), movCx(3000), repIns(1), HLT))
    answer(m.vm, { port: 0x100, width: 1 }, 0x5an)
    await runToHalt(m.vcpu)
    expect(new Set(m.vm.memory.read(0x2000, 3000))).toEqual(new Set([0x5a]))
    expect(m.vm.memory.readUint8(0x2000 + 3000)).toBe(0)
    expect(m.vcpu.stats?.latched).toBe(3000)
  })

  test('is none for writes, in the other space, and with run()', async () => {
    using m = machine(assemble(movDx(0x100), movAl(7), outDx(1), movEs(0x2000), load(1, 0x100), inDx(1), HLT))
    answer(m.vm, { port: 0x100, width: 1 }, 1n)
    answer(m.vm, { port: 0x2100, width: 1 }, 2n)
    const exits: unknown[] = []
    await m.vcpu.start((exit) => {
      exits.push(exit.reason === 'io' ? exit.direction : exit.reason)
      if (exit.reason === 'mmio') void m.vcpu.stop()
    })
    expect(exits).toEqual(['out', 'mmio'])
    expect(runTo(m.vcpu, 'io').direction).toBe('in')
  })
})

describe('its value', () => {
  test('takes effect while the guest runs', async () => {
    // in al, dx; cmp al, 3; jne back; hlt
    using m = machine(assemble(movDx(0x100), inDx(1), [0x3c, 3], [0x75, 0xfb], HLT))
    const latch = answer(m.vm, { port: 0x100, width: 1 }, 0n)
    const finished = runToHalt(m.vcpu)
    for (const value of [0n, 1n, 2n, 3n]) {
      const before = m.vcpu.stats?.latched ?? 0
      await until(() => (m.vcpu.stats?.latched ?? 0) > before)
      expect(m.vcpu.started).toBe(true)
      latch.cell.value = value
      expect(latch.cell.value).toBe(value)
    }
    await finished
    expect([m.vcpu.getRegs().rax & 0xffn, m.vcpu.stats?.delivered]).toEqual([3n, 1]) // only hlt was delivered
  })

  test('is whole: no read mixes two of them', { timeout: PATIENCE }, async () => {
    // in eax, dx; mov bx, ax; shr eax, 16; cmp ax, bx; je back; out 1; hlt
    const loop = [...inDx(4), 0x89, 0xc3, 0x66, 0xc1, 0xe8, 16, 0x39, 0xd8, 0x74, 0xf2]
    using m = machine(assemble(movDx(0x100), loop, outAl(1), HLT))
    const latch = answer(m.vm, { port: 0x100, width: 4 }, 0n)
    const finished = m.vcpu.start(() => {
      throw new Error('the guest has seen half of one value and half of another')
    })
    for (let round = 0; (m.vcpu.stats?.latched ?? 0) < 500; round++) {
      latch.cell.value = BigInt(round % 0x1_0000) * 0x1_0001n
    }
    await m.vcpu.stop()
    await finished
  })

  test('serves every vCPU', async () => {
    using m = machine(assemble(movDx(0x100), inDx(1), HLT))
    m.vm.memory.write(0x3000, assemble(movDx(0x101), inDx(1), HLT))
    answer(m.vm, { port: 0x100, width: 2 }, 0x2211n)
    const second = addVcpu(m, 1, 0x3000)
    await Promise.all([runToHalt(m.vcpu), runToHalt(second)])
    expect([m.vcpu.getRegs().rax & 0xffn, second.getRegs().rax & 0xffn]).toEqual([0x11n, 0x22n])
  })
})
