// Writes that the vCPU's thread puts into a ring, and runs on.
import type { Exit } from 'node-kvm'
import { describe, expect, test } from 'vitest'

import { expectRefusal } from '../thrown.js'
import {
  assemble,
  decCxJnzBack,
  HLT,
  INC_AL,
  inDx,
  INC_AX,
  jumpBack,
  movAl,
  movAx,
  movCx,
  movDi,
  movDx,
  movEax,
  movEs,
  movSi,
  MOVSB,
  orByte,
  outAl,
  outDx,
  REP,
  repIns,
  repOuts,
  store,
  type Width,
} from './guests.js'
import { PATIENCE } from './amounts.js'
import { machine, runTo, START } from './machine.js'
import { addVcpu, block, runToHalt, turn, until } from './threaded.js'
import { post } from './cells.js'

const RING = 1024 // native/vcpu_thread.h
/** What a listener got, as numbers that can be compared. */
type Writes = [offset: number, ...bytes: number[]][]
const into = (writes: Writes) => (offset: number, data: Uint8Array) => void writes.push([offset, ...data])

describe('a posted write', () => {
  test.each([1, 2, 4] as const)('of %i bytes to a port reaches the listener, and no handler', async (width: Width) => {
    using m = machine(assemble(movDx(0x104), movEax(0x0403_0201), outDx(width), HLT))
    const writes: Writes = []
    post(m.vm, { port: 0x100, length: 8 }, into(writes))
    await runToHalt(m.vcpu)
    expect(writes).toEqual([[4, ...[1, 2, 3, 4].slice(0, width)]])
  })

  test.each([1, 2, 4] as const)('of %i bytes to memory that is not there does so, too', async (width: Width) => {
    using m = machine(assemble(movEs(0x2000), movEax(0x0403_0201), store(width, 0x10), HLT))
    const writes: Writes = []
    post(m.vm, { address: 0x2_0000, length: 0x1000 }, into(writes))
    await runToHalt(m.vcpu)
    expect(writes).toEqual([[0x10, ...[1, 2, 3, 4].slice(0, width)]])
  })

  test('is delivered before any later exit of its vCPU, in order, from all ranges', { timeout: PATIENCE }, async () => {
    using m = machine(
      assemble(
        movCx(300),
        movAl(0),
        outAl(1),
        outAl(2),
        movEs(0x2000),
        store(1, 0),
        INC_AL,
        outAl(9),
        decCxJnzBack(17),
        HLT,
      ),
    )
    const log: string[] = []
    post(m.vm, { port: 1, length: 1 }, () => log.push('a'))
    post(m.vm, { port: 2, length: 1 }, () => log.push('b'))
    post(m.vm, { address: 0x2_0000, length: 1 }, () => log.push('c'))
    await runToHalt(m.vcpu, (exit) => void log.push(exit.reason === 'io' && exit.port === 9 ? 'exit' : 'wrong'))
    expect(log.length % 4).toBe(0)
    expect(new Set(log.join(' ').split(' exit'))).toEqual(new Set(['a b c', ' a b c', '']))
  })

  test('is delivered although nothing else happens', async () => {
    using m = machine(assemble(outAl(1), jumpBack(0)))
    let writes = 0
    post(m.vm, { port: 1, length: 1 }, () => writes++)
    const finished = m.vcpu.start(() => undefined)
    await until(() => writes === 1)
    await m.vcpu.stop()
    await finished
  })

  test('is none with run()', () => {
    using m = machine(assemble(outAl(1), HLT))
    post(m.vm, { port: 1, length: 1 }, () => expect.unreachable())
    expect(runTo(m.vcpu, 'io').port).toBe(1)
    runTo(m.vcpu, 'hlt')
  })
})

describe('two vCPUs that take turns', { timeout: PATIENCE }, () => {
  const TURNS = 150
  const TURN = 0x4000
  const COUNT = TURN + 1
  /** Waits for its turn, writes the count to the port, raises it, and gives the turn away; again and again. */
  const player = (me: number, port: number) => {
    const round = assemble(
      [0x80, 0x3e, ...bytes16(TURN), me, 0x75, 0xf9], // wait: cmp byte [TURN], me; jne wait
      [0xa0, ...bytes16(COUNT)], // mov al, [COUNT]
      outAl(port),
      INC_AL,
      [0xa2, ...bytes16(COUNT)], // mov [COUNT], al
      [0xc6, 0x06, ...bytes16(TURN), 1 - me], // mov byte [TURN], 1 - me
    )
    return assemble(movCx(TURNS), [...round], decCxJnzBack(round.length), HLT)
  }
  const bytes16 = (value: number) => [value & 0xff, value >> 8]
  const everyCount = Array.from({ length: 2 * TURNS }, (_, index) => index % 256)

  test('are heard in the order of their writes, when both post', async () => {
    using m = machine(player(0, 1))
    m.vm.memory.write(0x3000, player(1, 2))
    const seen: number[] = []
    post(m.vm, { port: 1, length: 1 }, (_offset, data) => seen.push(data[0]!))
    post(m.vm, { port: 2, length: 1 }, (_offset, data) => seen.push(data[0]!))
    await Promise.all([runToHalt(m.vcpu), runToHalt(addVcpu(m, 1, 0x3000))])
    expect(seen).toEqual(everyCount)
  })

  test('are heard in the order of their writes, when one of them exits', async () => {
    using m = machine(player(0, 1))
    m.vm.memory.write(0x3000, player(1, 2))
    const seen: number[] = []
    post(m.vm, { port: 1, length: 1 }, (_offset, data) => seen.push(data[0]!))
    const exits = (exit: Exit) => {
      if (exit.reason === 'io') seen.push(exit.data[0]!)
    }
    await Promise.all([runToHalt(m.vcpu), runToHalt(addVcpu(m, 1, 0x3000), exits)])
    expect(seen).toEqual(everyCount)
  })
})

describe('what is no posted write exits as usual', () => {
  test('an access that reaches over either end of the range', async () => {
    using m = machine(assemble(movDx(0x0ff), outDx(2), movDx(0x100), outDx(2), movDx(0x103), outDx(2), outDx(1), HLT))
    const writes: Writes = []
    const exits: unknown[] = []
    post(m.vm, { port: 0x100, length: 4 }, into(writes))
    await runToHalt(m.vcpu, (exit) => {
      if (exit.reason === 'io') exits.push([exit.port, exit.size])
    })
    expect(writes.map(([offset, ...bytes]) => [offset, bytes.length])).toEqual([
      [0, 2],
      [3, 1],
    ])
    expect(exits).toEqual([
      [0xff, 2],
      [0x103, 2],
    ])
  })

  test('reads, and the same number in the other space', async () => {
    using m = machine(assemble(movDx(0x100), inDx(1), movEs(0x0010), HLT))
    post(m.vm, { port: 0x100, length: 1 }, () => expect.unreachable())
    post(m.vm, { address: 0x100, length: 1 }, () => expect.unreachable())
    const exits: string[] = []
    await runToHalt(m.vcpu, (exit) => {
      if (exit.reason === 'io') exits.push(exit.direction)
    })
    expect(exits).toEqual(['in'])
  })

  test('the halves of a write over two pages: each is looked at by itself', async () => {
    using m = machine(assemble(movEs(0x2000), movEax(0x0403_0201), store(4, 0xffe), HLT))
    const writes: Writes = []
    const exits: unknown[] = []
    post(m.vm, { address: 0x2_1000, length: 0x1000 }, into(writes))
    await runToHalt(m.vcpu, (exit) => {
      if (exit.reason === 'mmio') exits.push([exit.address, ...exit.data])
    })
    expect(exits).toEqual([[0x2_0ffe, 1, 2]])
    expect(writes).toEqual([[0, 3, 4]])
  })
})

describe('string output', () => {
  test('is a write for each element', async () => {
    using m = machine(assemble(movDx(0x100), movSi(0x2000), movCx(5), repOuts(2), HLT))
    m.vm.memory.write(
      0x2000,
      Uint8Array.from({ length: 10 }, (_, index) => index),
    )
    const writes: Writes = []
    post(m.vm, { port: 0x100, length: 2 }, into(writes))
    await runToHalt(m.vcpu)
    expect(writes).toEqual([0, 2, 4, 6, 8].map((value) => [0, value, value + 1]))
  })
})

describe('a full ring', () => {
  test('makes the guest wait; nothing is lost, and the order is kept', { timeout: PATIENCE }, async () => {
    const count = 3 * RING + 7
    using m = machine(assemble(movCx(count), movAx(0), movDx(0x100), outDx(2), INC_AX, decCxJnzBack(2), HLT))
    const values: number[] = []
    post(m.vm, { port: 0x100, length: 2 }, (_, data) => values.push(data[0]! + 256 * data[1]!))
    const finished = runToHalt(m.vcpu)
    while ((m.vcpu.stats?.posted ?? 0) < RING) block(1) // the event loop stands still
    block(20)
    expect(values).toEqual([])
    expect(m.vcpu.stats?.posted).toBe(RING)
    await finished
    expect(values).toEqual(Array.from({ length: count }, (_, value) => value))
  })

  test('in the middle of string output', { timeout: PATIENCE }, async () => {
    const count = 2500
    using m = machine(assemble(movDx(0x100), movSi(0x2000), movCx(count), repOuts(1), HLT))
    const bytes = Uint8Array.from({ length: count }, (_, index) => index % 251)
    m.vm.memory.write(0x2000, bytes)
    const values: number[] = []
    post(m.vm, { port: 0x100, length: 1 }, (_, data) => values.push(data[0]!))
    const finished = runToHalt(m.vcpu)
    while ((m.vcpu.stats?.posted ?? 0) < RING) block(1)
    await finished
    expect(Uint8Array.from(values)).toEqual(bytes)
  })

  test.each(['stop', 'pause', 'close'] as const)('does not hold up %s()', { timeout: PATIENCE }, async (how) => {
    using m = machine(assemble(outAl(1), jumpBack(2)))
    let writes = 0
    post(m.vm, { port: 1, length: 1 }, () => writes++)
    const finished = m.vcpu.start(() => undefined)
    while ((m.vcpu.stats?.posted ?? 0) < RING) block(1)
    block(5)
    await m.vcpu[how]()
    if (how !== 'close') expect(writes).toBeGreaterThanOrEqual(RING)
    m.vcpu.close()
    await finished
  })

  test('of one vCPU does not hold up another', { timeout: PATIENCE }, async () => {
    using m = machine(assemble(outAl(1), jumpBack(2)))
    m.vm.memory.write(0x3000, assemble(movCx(100), outAl(2), decCxJnzBack(2), HLT))
    post(m.vm, { port: 1, length: 1 }, () => undefined)
    const finished = m.vcpu.start(() => undefined)
    while ((m.vcpu.stats?.posted ?? 0) < RING) block(1)
    let exits = 0
    await runToHalt(addVcpu(m, 1, 0x3000), () => {
      exits++
    })
    expect(exits).toBe(100)
    await m.vcpu.stop()
    await finished
  })
})

test('order is kept for each vCPU when two write to one range', { timeout: PATIENCE }, async () => {
  const count = 500
  const counter = (port: number) =>
    assemble(movCx(count), movAx(0), movDx(port), outDx(2), INC_AX, decCxJnzBack(2), HLT)
  using m = machine(counter(0x100))
  m.vm.memory.write(0x3000, counter(0x102))
  const values: Record<number, number[]> = { 0: [], 2: [] }
  post(m.vm, { port: 0x100, length: 4 }, (offset, data) => values[offset]?.push(data[0]! + 256 * data[1]!))
  await Promise.all([runToHalt(m.vcpu), runToHalt(addVcpu(m, 1, 0x3000))])
  const expected = Array.from({ length: count }, (_, value) => value)
  expect(values).toEqual({ 0: expected, 2: expected })
})

describe('an instruction that also exits', () => {
  // Read, then write: the read is handled, the write is posted.
  test.each(['run on', 'pause()', 'getRegs()'] as const)('and then the handler lets it %s', async (what) => {
    using m = machine(assemble(movEs(0x2000), orByte(0, 1), outAl(5), HLT))
    const log: unknown[] = []
    post(m.vm, { address: 0x2_0000, length: 1 }, (_, data) => log.push(['posted', ...data]))
    let paused: Promise<void> | undefined
    const finished = runToHalt(m.vcpu, (exit) => {
      if (exit.reason === 'io') return void log.push('out')
      if (exit.reason !== 'mmio' || exit.isWrite) throw new Error('the write is no exit')
      log.push('read')
      exit.data[0] = 0x40
      if (what === 'pause()') paused = m.vcpu.pause()
      if (what === 'getRegs()') expect(m.vcpu.getRegs().rip).toBe(BigInt(START + 5 + 6))
    })
    if (what === 'pause()') {
      await until(() => paused !== undefined)
      await paused
      expect(log).toEqual(['read', ['posted', 0x41]]) // everything that the guest has done has arrived
      expect(m.vcpu.getRegs().rip).toBe(BigInt(START + 5 + 6))
      m.vcpu.resume()
    }
    await finished
    expect(log).toEqual(['read', ['posted', 0x41], 'out'])
  })

  test('copies from a port into the ring, through pauses, without loss', { timeout: PATIENCE }, async () => {
    const count = 3000
    using m = machine(assemble(movEs(0x2000), movDx(0x100), movDi(0), movCx(count), repIns(1), HLT))
    const values: number[] = []
    post(m.vm, { address: 0x2_0000, length: 0x1_0000 }, (offset, data) => {
      if (offset !== values.length) throw new Error(`offset ${offset} after ${values.length} bytes`)
      values.push(...data) // KVM makes writes of up to 8 bytes of it
    })
    let next = 0
    let pausing: Promise<void> | undefined
    const finished = runToHalt(m.vcpu, (exit: Exit) => {
      if (exit.reason !== 'io') throw new Error('the write is no exit')
      for (let index = 0; index < exit.data.length; index++) exit.data[index] = next++ % 251
      pausing ??= m.vcpu.pause()
    })
    await until(() => pausing !== undefined)
    await pausing
    expect(BigInt(values.length)).toBe(m.vcpu.getRegs().rdi)
    m.vcpu.resume()
    await finished
    expect(values).toEqual(Array.from({ length: count }, (_, value) => value % 251))
  })

  test('copies within a range while paused for: one element at a time is an exit, however many', async () => {
    using m = machine(assemble(movEs(0x2000), [0x06, 0x1f], movSi(0), movDi(0x800), movCx(900), REP, MOVSB, HLT)) // push es; pop ds
    let writes = 0
    let reads = 0
    post(m.vm, { address: 0x2_0000, length: 0x1_0000 }, () => writes++)
    let pausing: Promise<void> | undefined
    const finished = runToHalt(m.vcpu, (exit) => {
      if (exit.reason !== 'mmio' || exit.isWrite) throw new Error('the write is no exit')
      reads++
      pausing ??= m.vcpu.pause()
    })
    await until(() => pausing !== undefined)
    await pausing
    m.vcpu.resume()
    await finished
    expect([reads > 0, writes]).toEqual([true, 900])
  })
})

describe('closing a range', () => {
  test('makes later writes exit; those on their way are dropped', async () => {
    using m = machine(assemble(outAl(1), outAl(2), outAl(1), HLT))
    const log: string[] = []
    const range = post(m.vm, { port: 1, length: 1 }, () => log.push('posted'))
    await runToHalt(m.vcpu, (exit) => {
      if (exit.reason === 'io') log.push(`exit ${exit.port}`)
      range.close()
      range.close()
      range[Symbol.dispose]()
    })
    expect(log).toEqual(['posted', 'exit 2', 'exit 1'])
  })

  test('while its writes are on their way', { timeout: PATIENCE }, async () => {
    using m = machine(assemble(outAl(1), jumpBack(2)))
    let writes = 0
    let exits = 0
    const range = post(m.vm, { port: 1, length: 1 }, () => {
      if (++writes === 3) range.close()
    })
    const finished = m.vcpu.start(() => {
      if (++exits === 10) void m.vcpu.stop()
    })
    while ((m.vcpu.stats?.posted ?? 0) < 100) block(1)
    await finished
    expect([writes, exits]).toEqual([3, 10])
  })

  test('after its VM does nothing, to a range of another VM either', async () => {
    using m = machine(assemble(HLT))
    using other = machine(assemble(outAl(1), HLT))
    const heard: string[] = []
    const range = post(m.vm, { port: 1, length: 1 }, () => heard.push('the closed one'))
    post(other.vm, { port: 1, length: 1 }, () => heard.push('the other'))
    m.vm.close()
    range.close()
    await runToHalt(other.vcpu)
    expect(heard).toEqual(['the other'])
  })
})

describe('a listener', () => {
  test('that throws stops the vCPU that wrote, and start() tells', async () => {
    using m = machine(assemble(outAl(1), outAl(2), outAl(3), HLT))
    const boom = new Error('mine')
    post(m.vm, { port: 1, length: 1 }, () => {
      throw boom
    })
    const seen: number[] = []
    const handler = (exit: Exit) => {
      if (exit.reason === 'io') seen.push(exit.port)
    }
    const finished = runToHalt(m.vcpu, handler)
    while ((m.vcpu.stats?.exits.io ?? 0) < 2) block(1) // the next exit waits behind the write
    await expect(finished).rejects.toBe(boom)
    expect([m.vcpu.started, seen]).toEqual([false, []])
    // That exit has not been lost.
    expect(runTo(m.vcpu, 'io').port).toBe(2)
    expect(m.vcpu.getRegs().rip).toBe(BigInt(START + 4))
    await runToHalt(m.vcpu, handler)
    expect(seen).toEqual([3])
  })

  test('that throws while the guest runs on: the guest stands between two instructions', async () => {
    using m = machine(assemble(outAl(1), INC_AX, jumpBack(1)))
    post(m.vm, { port: 1, length: 1 }, () => {
      throw new Error('mine')
    })
    await expect(m.vcpu.start(() => undefined)).rejects.toThrow('mine')
    expect([START + 2, START + 3]).toContain(Number(m.vcpu.getRegs().rip))
  })

  test.each(['vCPU', 'VM'])('may close its %s', async (what) => {
    using m = machine(assemble(outAl(1), outAl(1), outAl(1), HLT))
    let writes = 0
    post(m.vm, { port: 1, length: 1 }, () => {
      writes++
      if (what === 'VM') m.vm.close()
      else m.vcpu.close()
    })
    const finished = m.vcpu.start(() => expect.unreachable())
    while (!m.vcpu.closed && (m.vcpu.stats?.exits.hlt ?? 0) === 0) block(1) // all three are on their way
    await finished
    expect([writes, m.vcpu.closed]).toEqual([1, true])
  })

  test('may pause, stop, kick, and make and close other ranges', async () => {
    using m = machine(assemble(outAl(1), outAl(2), outAl(3), jumpBack(6)))
    const log: string[] = []
    let pausing: Promise<void> | undefined
    post(m.vm, { port: 1, length: 1 }, () => {
      if (pausing !== undefined) return
      log.push('1')
      post(m.vm, { port: 3, length: 1 }, () => log.push('3')).close()
      m.vcpu.kick()
      pausing = m.vcpu.pause()
      expectRefusal(() => m.vcpu.getRegs(), 'ERR_KVM_RUNNING')
    })
    const finished = m.vcpu.start((exit) => {
      if (exit.reason === 'interrupted') log.push('kick')
    })
    await until(() => pausing !== undefined)
    await pausing
    expect(m.vcpu.paused).toBe(true)
    await turn()
    m.vcpu.resume()
    await until(() => log.includes('kick'))
    await m.vcpu.stop()
    await finished
    expect(log).toEqual(['1', 'kick'])
  })
})
