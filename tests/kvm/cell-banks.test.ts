// An index and a data register: the vCPU's thread answers reads of the data register by the index written last.
import type { Exit, Vcpu, Vm } from 'node-kvm'
import { describe, expect, test } from 'vitest'

import { assemble, decCxJnzBack, HLT, inDx, jumpBack, load, movAl, movAx, movCx, movDi, movDx } from './guests.js'
import { movEs, outAl, outDx, repIns, storeByte } from './guests.js'
import { PATIENCE } from './amounts.js'
import { machine, runTo } from './machine.js'
import { addVcpu, block, runToHalt, until } from './threaded.js'
import { choose } from './cells.js'

const INDEX = 0x70
const DATA = 0x71
const RESULTS = 0x2000

/** The guest chooses a register. */
const select = (index: number) => [...movAl(index), ...outAl(INDEX)]
/** The guest reads the data register. */
const READ = [0xe4, DATA]
/** The guest stores AL as its next result. */
const STOSB = [0xaa]
const get = (index: number) => [...select(index), ...READ, ...STOSB]
const put = (value: number) => [...movAl(value), ...outAl(DATA)]
const guest = (...parts: (readonly number[])[]) => assemble(movDi(RESULTS), ...parts, HLT)
const results = ({ memory }: Vm, count: number) => [...memory.read(RESULTS, count)]

/** A device with the registers: what it would answer is the register's number plus 0x80, or what was written. */
function device(vm: Vm, at = { index: INDEX, data: DATA }) {
  const calls: string[] = []
  const values = Uint8Array.from({ length: 0x80 }, (_, index) => index + 0x80)
  let chosen = 0
  const latch = choose(vm, { port: at.index, data: at.data, mask: 0x7f }, (_, data) => {
    calls.push(`posted ${data[0]}`)
    chosen = data[0]! & 0x7f
  })
  const access = (exit: Exit) => {
    if (exit.reason !== 'io') throw new Error(`unexpected exit: ${exit.reason}`)
    for (let place = 0; place < exit.data.length; place++) {
      const port = exit.port + (place % exit.size)
      const write = exit.direction === 'out'
      calls.push(`${write ? 'write' : 'read'} ${port === at.data ? chosen : 'index'}`)
      if (!write) exit.data[place] = port === at.data ? values[chosen]! : 0xff
      else if (port === at.data) values[chosen] = exit.data[place]!
      else chosen = exit.data[place]! & 0x7f
      if (write) latch.cell.clear()
    }
  }
  return { latch, calls, values, access, last: () => chosen }
}

describe('an indexed read', () => {
  test('is answered by the index; writes of it arrive in order', async () => {
    using m = machine(guest(get(4), get(2), get(0x84), get(4)))
    const { latch, calls, access } = device(m.vm)
    latch.cell.set(4, 0x44)
    latch.cell.set(2, 0x22)
    await runToHalt(m.vcpu, access)
    expect(results(m.vm, 4)).toEqual([0x44, 0x22, 0x44, 0x44])
    expect(calls).toEqual(['posted 4', 'posted 2', 'posted 132', 'posted 4'])
    const { latched, posted, delivered } = m.vcpu.stats!
    expect({ latched, posted, delivered }).toEqual({ latched: 4, posted: 4, delivered: 1 }) // hlt
  })

  test('tells the last index, as it was written, also before the listener does', async () => {
    using m = machine(guest(get(4), get(0x84), [0xeb, 0xfe]))
    const { latch, calls } = device(m.vm)
    latch.cell.set(4, 0x44)
    expect(latch.cell.chosen).toBeUndefined()
    const finished = m.vcpu.start(() => undefined)
    await until(() => m.vcpu.stats!.latched === 2)
    expect([latch.cell.chosen, calls]).toEqual([0x84, []])
    await m.vcpu.stop()
    await finished
    expect([latch.cell.chosen, calls]).toEqual([0x84, ['posted 4', 'posted 132']])
    latch.cell.clear()
    expect(latch.cell.chosen).toBeUndefined()
    latch.close()
    m.vm.close()
    expect(latch.cell.chosen).toBeUndefined()
  })

  test('without a value exits, and finds the index delivered', async () => {
    using m = machine(guest(READ, STOSB, get(4), get(5), get(0x7f)))
    const { latch, calls, access } = device(m.vm)
    latch.cell.set(0, 0) // no index has been chosen
    latch.cell.set(4, 0x44)
    await runToHalt(m.vcpu, access)
    expect(results(m.vm, 4)).toEqual([0x80, 0x44, 0x85, 0xff])
    expect(calls).toEqual(['read 0', 'posted 4', 'posted 5', 'read 5', 'posted 127', 'read 127'])
  })

  test('exits when its value has expired', async () => {
    using m = machine(guest(get(4), get(5), get(6)))
    const { latch, calls, access } = device(m.vm)
    const now = process.hrtime.bigint()
    latch.cell.set(4, 0x44, now)
    latch.cell.set(5, 0x55, now + 3_600_000_000_000n)
    latch.cell.set(6, 0x66, 0n)
    await runToHalt(m.vcpu, access)
    expect(results(m.vm, 3)).toEqual([0x84, 0x55, 0x86])
    expect(calls).toEqual(['posted 4', 'read 4', 'posted 5', 'posted 6', 'read 6'])
  })

  test('expires while the guest polls it and JavaScript does nothing', { timeout: PATIENCE }, async () => {
    // in al, dx; cmp al, 0x44; je back; hlt
    using m = machine(guest(select(4), movDx(DATA), [...inDx(1), 0x3c, 0x44, 0x74, 0xfb]))
    const { latch, calls, access } = device(m.vm)
    latch.cell.set(4, 0x44, process.hrtime.bigint() + 200_000_000n)
    const finished = runToHalt(m.vcpu, access)
    block(300)
    await finished
    expect(calls).toEqual(['posted 4', 'read 4'])
    expect(m.vcpu.getRegs().rax & 0xffn).toBe(0x84n)
  })

  test('after a write of the data register has what was written', async () => {
    using m = machine(guest(get(4), select(4), put(0x11), READ, STOSB, get(4), get(5)))
    const { latch, calls, values, access } = device(m.vm)
    for (const index of [4, 5]) latch.cell.set(index, values[index]!)
    await runToHalt(m.vcpu, (exit) => {
      access(exit)
      if (exit.reason === 'io' && exit.direction === 'in') latch.cell.set(4, values[4]!)
    })
    expect(results(m.vm, 4)).toEqual([0x84, 0x11, 0x11, 0x85])
    // The first read after it exits even though 4 is chosen; then 4 has a value again, and 5 has none any more.
    expect(calls.filter((call) => !call.startsWith('posted'))).toEqual(['write 4', 'read 4', 'read 5'])
  })

  test('of 16 bits, and of the index, exits; a 16-bit write makes the index unknown', async () => {
    using m = machine(
      guest(
        select(4),
        [...movDx(INDEX), ...inDx(2), ...movDx(DATA), ...inDx(2), ...movDx(INDEX), ...inDx(1)],
        [...movAx(0x3305), ...outDx(2)],
        READ,
        STOSB,
        get(4),
      ),
    )
    const { latch, calls, access } = device(m.vm)
    latch.cell.set(4, 0x44)
    await runToHalt(m.vcpu, access)
    const wide = ['read index', 'read 4', 'read 4', 'read index', 'read index', 'write index', 'write 5']
    expect(calls).toEqual(['posted 4', ...wide, 'read 5', 'posted 4', 'read 4'])
    expect(results(m.vm, 2)).toEqual([0x33, 0x84])
  })

  test('by string input: each element is the value', async () => {
    using m = machine(guest(select(4), movDx(DATA), movCx(3000), repIns(1)))
    const { latch, access } = device(m.vm)
    latch.cell.set(4, 0x44)
    await runToHalt(m.vcpu, access)
    expect(new Set(results(m.vm, 3000))).toEqual(new Set([0x44]))
    expect([results(m.vm, 3001)[3000], m.vcpu.stats?.latched]).toEqual([0, 3000])
  })

  test('of memory that is not there', async () => {
    using m = machine(assemble(movEs(0x2000), storeByte(0, 9), load(1, 4), HLT))
    const chosen: number[] = []
    const latch = choose(m.vm, { address: 0x2_0000, data: 0x2_0004, mask: 7 }, (_, data) => chosen.push(data[0]!))
    latch.cell.set(1, 0x77)
    await runToHalt(m.vcpu)
    expect([m.vcpu.getRegs().rax & 0xffn, chosen]).toEqual([0x77n, [9]])
  })

  test('of two pairs: each has its own index and values', async () => {
    const other = [...movAl(2), ...outAl(0x72), 0xe4, 0x73, ...STOSB]
    using m = machine(guest(select(4), other, READ, STOSB))
    const pairs = [device(m.vm), device(m.vm, { index: 0x72, data: 0x73 })] as const
    pairs[0].latch.cell.set(4, 0x44)
    pairs[0].latch.cell.set(2, 0x42)
    pairs[1].latch.cell.set(2, 0x22)
    await runToHalt(m.vcpu)
    expect([results(m.vm, 2), pairs.map(({ calls }) => calls)]).toEqual([
      [0x22, 0x44],
      [['posted 4'], ['posted 2']],
    ])
  })

  test('follows the index that another vCPU has written', async () => {
    using m = machine(guest(get(4)))
    m.vm.memory.write(0x3000, assemble(select(5), HLT))
    m.vm.memory.write(0x4000, guest(READ, STOSB))
    const { latch, access, last } = device(m.vm)
    latch.cell.set(4, 0x44)
    latch.cell.set(5, 0x55)
    const others = [addVcpu(m, 1, 0x3000), addVcpu(m, 2, 0x4000)]
    for (const vcpu of [m.vcpu, ...others]) await runToHalt(vcpu, access)
    expect([results(m.vm, 1), last(), others[1]?.stats?.latched]).toEqual([[0x55], 5, 1])
  })

  test('is right while its index is written densely', { timeout: PATIENCE }, async () => {
    // Again and again: 200 times out 0x70, al; inc ax. Then the last index, less one, must be what is read.
    const check = [...READ, 0xfe, 0xc0, 0x38, 0xd8, 0x74, 0x01, ...HLT] // in; inc al; cmp al, bl; je over hlt; hlt
    const write = [...outAl(INDEX), 0xfe, 0xc0, 0x88, 0xc3] // out; inc al; mov bl, al
    const dense = [...movCx(200), ...movAl(0xc0 - 200 + 0x100), ...write, ...decCxJnzBack(write.length)]
    const again = [...dense, ...check]
    const times = [0x4d, 0x75, (256 - again.length - 3) & 0xff] // dec bp; jnz again
    using m = machine(assemble([0xbd, 200, 0], again, times, movAl(1), outAl(0x80), HLT))
    const latch = choose(m.vm, { port: INDEX, data: DATA, mask: 0x7f }, () => undefined)
    for (let index = 0; index < 0x80; index++) latch.cell.set(index, index + 0x80)
    const exits: string[] = []
    await runToHalt(m.vcpu, (exit) => void exits.push(exit.reason))
    const { latched, posted } = m.vcpu.stats!
    expect({ exits, latched, posted }).toEqual({ exits: ['io'], latched: 200, posted: 40_000 })
  })

  test('is none with run(), which tells of everything', () => {
    using m = machine(guest(get(4)))
    device(m.vm).latch.cell.set(4, 0x44)
    expect([runTo(m.vcpu, 'io').direction, runTo(m.vcpu, 'io').direction]).toEqual(['out', 'in'])
  })

  test('knows no index that was chosen with run() once that has cleared it', async () => {
    using m = machine(guest(get(4), select(5), READ, STOSB))
    const { latch, access } = device(m.vm)
    const fill = () => {
      latch.cell.set(4, 0x44)
      latch.cell.set(5, 0x55)
    }
    fill()
    const seen: string[] = []
    const inline = (vcpu: Vcpu) => {
      const exit = runTo(vcpu, 'io')
      seen.push(exit.direction)
      access(exit)
      fill()
    }
    for (let count = 0; count < 3; count++) inline(m.vcpu)
    await runToHalt(m.vcpu, access)
    expect([seen, results(m.vm, 2)]).toEqual([
      ['out', 'in', 'out'],
      [0x84, 0x85],
    ])
  })
})

describe('closing it', () => {
  test('makes later accesses exit; setting a value and clearing do nothing', async () => {
    using m = machine(guest(get(4), outAl(0x80), get(4)))
    const { latch, calls, access } = device(m.vm)
    latch.cell.set(4, 0x44)
    await runToHalt(m.vcpu, (exit) => {
      if (exit.reason === 'io' && exit.port !== 0x80) access(exit)
      latch.close()
      latch.close()
      latch[Symbol.dispose]()
    })
    expect([results(m.vm, 2), calls]).toEqual([
      [0x44, 0x84],
      ['posted 4', 'write index', 'read 4'],
    ])
    latch.cell.set(4, 0x44)
    latch.cell.clear()
    m.vm.close()
    latch.close()
    latch.cell.clear()
  })

  test('while guests read it, and another one takes its place', { timeout: PATIENCE }, async () => {
    const loop = [...select(4), ...READ]
    using m = machine(assemble(loop, jumpBack(loop.length)))
    m.vm.memory.write(0x3000, assemble(loop, jumpBack(loop.length)))
    const second = addVcpu(m, 1, 0x3000)
    let exits = 0
    const running = [m.vcpu, second].map((vcpu) =>
      vcpu.start(() => {
        exits++
      }),
    )
    for (let round = 0; round < 20; round++) {
      const before = [m.vcpu, second].map(({ stats }) => stats!.latched)
      const latch = choose(m.vm, { port: INDEX, data: DATA, mask: 0x7f }, () => undefined)
      latch.cell.set(4, round)
      await until(() => [m.vcpu, second].every(({ stats }, index) => stats!.latched > before[index]!))
      latch.cell.clear()
      latch.cell.set(4, round, process.hrtime.bigint() + 100_000n)
      const now = exits
      if (round % 2 === 0) latch.close()
      await until(() => exits > now)
      latch.close()
    }
    await m.vm.stop()
    await Promise.all(running)
  })
})
