// pause(), resume(), stop(), kick() and the state of a vCPU with a thread.
import type { Vcpu } from 'node-kvm'
import { describe, expect, test } from 'vitest'

import { expectRefusal } from '../thrown.js'
import { AMOUNTS, PATIENCE } from './amounts.js'
import {
  assemble,
  CLI,
  HLT,
  INC_AX,
  inDx,
  jumpBack,
  load,
  movDx,
  movEax,
  movEs,
  movSi,
  movCx,
  outAl,
  repOuts,
  SPIN,
} from './guests.js'
import { machine, type Machine, START } from './machine.js'
import { addVcpu, deferred, runToHalt, turn, until } from './threaded.js'
import { post } from './cells.js'

/** Every access to state, by name. */
const accesses = (vcpu: Vcpu): Record<string, () => unknown> => ({
  getRegs: () => vcpu.getRegs(),
  setRegs: () => vcpu.setRegs({ r8: 1n }),
  getSregs: () => vcpu.getSregs(),
  setSregs: () => vcpu.setSregs({}),
  getFpu: () => vcpu.getFpu(),
  setFpu: () => vcpu.setFpu({}),
  getMsrs: () => vcpu.getMsrs([0x10]),
  setMsrs: () => vcpu.setMsrs([]),
  getCpuid2: () => vcpu.getCpuid2(),
  getMpState: () => vcpu.getMpState(),
  setMpState: () => vcpu.setMpState('runnable'),
  getVcpuEvents: () => vcpu.getVcpuEvents(),
  setVcpuEvents: () => vcpu.setVcpuEvents({}),
  getDebugregs: () => vcpu.getDebugregs(),
  setDebugregs: () => vcpu.setDebugregs({}),
  setGuestDebug: () => vcpu.setGuestDebug({ enable: false }),
})

describe('state', () => {
  test('is refused while the guest runs, and never waits for it', async () => {
    using m = machine(assemble(SPIN))
    const finished = m.vcpu.start(() => undefined)
    const others = {
      setCpuid2: () => m.vcpu.setCpuid2([]),
      getLapic: () => m.vcpu.getLapic(),
      setLapic: () => m.vcpu.setLapic(new Uint8Array(1024)),
    }
    for (const [name, access] of Object.entries({ ...accesses(m.vcpu), ...others })) {
      const error = expectRefusal(access, 'ERR_KVM_RUNNING', /pause\(\) it first/)
      expect([name, error.operands]).toEqual([name, { vcpu: 0 }])
    }
    await m.vcpu.stop()
    await finished
  })

  test.each(['in a synchronous handler', 'in an asynchronous handler', 'while paused', 'when stopped'])(
    'can be read and written %s',
    async (where) => {
      using m = machine(assemble(outAl(1), jumpBack(2)))
      const touch = () => {
        for (const access of Object.values(accesses(m.vcpu))) access()
        expect(m.vcpu.getRegs().r8).toBe(1n)
      }
      let handled = 0
      const finished = m.vcpu.start(async () => {
        handled++
        if (where === 'in a synchronous handler') touch()
        if (where !== 'in an asynchronous handler') return
        await turn()
        touch()
        await turn()
        touch()
      })
      await until(() => handled > 2)
      await m.vcpu.pause()
      if (where === 'while paused') touch()
      m.vcpu.resume()
      await m.vcpu.stop()
      await finished
      if (where === 'when stopped') touch()
    },
  )

  test('a write in a handler is what the guest goes on with', async () => {
    using m = machine(assemble(outAl(1), HLT))
    m.vm.memory.write(0x3000, assemble(outAl(2), HLT))
    const seen: unknown[] = []
    await runToHalt(m.vcpu, (exit) => {
      if (exit.reason !== 'io') throw new Error(exit.reason)
      seen.push(exit.port, exit.data[0])
      if (exit.port === 1) m.vcpu.setRegs({ rip: 0x3000n, rax: 9n })
    })
    expect(seen).toEqual([1, 0, 2, 9])
  })

  test('a write while paused, too; and memory', async () => {
    using m = machine(assemble(INC_AX, jumpBack(1)))
    const finished = runToHalt(m.vcpu)
    await m.vcpu.pause()
    const { rax } = m.vcpu.getRegs()
    await turn()
    expect(m.vcpu.getRegs().rax).toBe(rax) // it stands
    m.vm.memory.write(0x3000, assemble(HLT))
    m.vcpu.setRegs({ rip: 0x3000n, rax: 0x1234n })
    m.vcpu.resume()
    await finished
    expect(m.vcpu.getRegs().rax).toBe(0x1234n)
  })
})

describe('after pause() state is architectural', () => {
  test('an in that was being handled has its answer', async () => {
    using m = machine(assemble(movEax(0), movDx(0x100), inDx(4), HLT))
    let paused: Promise<void> | undefined
    const finished = runToHalt(m.vcpu, (exit) => {
      paused = m.vcpu.pause()
      if (exit.reason === 'io') exit.data.set([1, 2, 3, 4])
    })
    await until(() => paused !== undefined)
    await paused
    expect(m.vcpu.paused).toBe(true)
    expect(m.vcpu.getRegs()).toMatchObject({ rax: 0x0403_0201n, rip: BigInt(START + 6 + 3 + 2) })
    m.vcpu.resume()
    await finished
  })

  test('an in whose handler is asynchronous is waited for', async () => {
    using m = machine(assemble(movEax(0), movDx(0x100), inDx(1), HLT))
    const { promise, resolve } = deferred()
    let waiting = false
    const finished = runToHalt(m.vcpu, async (exit) => {
      waiting = true
      await promise
      if (exit.reason === 'io') exit.data[0] = 5
    })
    await until(() => waiting)
    let paused = false
    const pausing = m.vcpu.pause().then(() => (paused = true))
    for (let round = 0; round < 5; round++) await turn()
    expect([paused, m.vcpu.paused]).toEqual([false, false])
    resolve()
    await pausing
    expect(m.vcpu.getRegs().rax).toBe(5n)
    m.vcpu.resume()
    await finished
  })

  test.each(['sync', 'async'])('an access that goes on with another exit has had that, too (%s)', async (how) => {
    using m = machine(assemble(movEs(0x2000), movEax(0), load(4, 0xffe), HLT))
    const seen: number[] = []
    let paused: Promise<void> | undefined
    const finished = runToHalt(m.vcpu, (exit) => {
      if (exit.reason !== 'mmio') throw new Error(exit.reason)
      seen.push(exit.address)
      exit.data.set(exit.address === 0x2_0ffe ? [1, 2] : [3, 4])
      paused ??= m.vcpu.pause()
      return how === 'async' ? turn() : undefined
    })
    await until(() => paused !== undefined)
    await paused
    expect(seen).toEqual([0x2_0ffe, 0x2_1000])
    expect(m.vcpu.getRegs().rax).toBe(0x0403_0201n)
    m.vcpu.resume()
    await finished
  })

  test('string output of which each element is an exit', { timeout: PATIENCE }, async () => {
    const count = 1000
    using m = machine(assemble(movDx(0x100), movSi(0x2000), movCx(count), repOuts(1), HLT))
    let elements = 0
    let paused: Promise<void> | undefined
    const finished = runToHalt(m.vcpu, (exit) => {
      if (exit.reason === 'io') elements += exit.count
      paused ??= m.vcpu.pause()
    })
    await until(() => paused !== undefined)
    await paused
    expect(m.vcpu.getRegs()).toMatchObject({ rcx: BigInt(count - elements), rsi: BigInt(0x2000 + elements) })
    m.vcpu.resume()
    await finished
    expect(elements).toBe(count)
  })
})

// A guest that never exits, one that exits without pause, one that halts for good, one that waits to be started.
const guests: Record<string, () => Machine> = {
  spinning: () => machine(assemble(SPIN)),
  exiting: () => machine(assemble(outAl(1), jumpBack(2))),
  posting: () => {
    const m = machine(assemble(outAl(1), jumpBack(2)))
    post(m.vm, { port: 1, length: 1 }, () => undefined)
    return m
  },
  halted: () => machine(assemble(CLI, HLT), { irqchip: true }),
  uninitialized: () => {
    const m = machine(assemble(HLT), { irqchip: true })
    return { ...m, vcpu: m.vm.createVcpu(1) }
  },
}

describe.each(Object.entries(guests))('a guest that is %s', (_, make) => {
  test('is paused, resumed, kicked and stopped, again and again', { timeout: PATIENCE }, async () => {
    using m = make()
    const { vcpu } = m
    for (let round = 0; round < 3; round++) {
      let kicks = 0
      const finished = vcpu.start((exit) => {
        if (exit.reason === 'interrupted') kicks++
      })
      for (let time = 0; time < 3; time++) {
        await vcpu.pause()
        expect(vcpu.paused).toBe(true)
        vcpu.getRegs()
        vcpu.kick() // for later
        await turn()
        expect(kicks).toBe(time)
        vcpu.resume()
        expect(vcpu.paused).toBe(false)
        await until(() => kicks > time)
      }
      await vcpu.stop()
      await finished
      expect([vcpu.started, vcpu.paused]).toEqual([false, false])
    }
  })

  test('each twice, at once, and when there is nothing to do', { timeout: PATIENCE }, async () => {
    using m = make()
    const { vcpu } = m
    await Promise.all([vcpu.pause(), vcpu.stop(), m.vm.pause(), m.vm.stop()]) // not started
    vcpu.resume()
    m.vm.resume()
    const finished = vcpu.start(() => undefined)
    vcpu.resume()
    await Promise.all([vcpu.pause(), vcpu.pause(), m.vm.pause()])
    await vcpu.pause()
    expect(vcpu.paused).toBe(true)
    m.vm.resume()
    m.vm.resume()
    vcpu.resume()
    expect(vcpu.paused).toBe(false)
    await Promise.all([vcpu.stop(), vcpu.stop(), m.vm.stop()])
    await finished
    await vcpu.stop()
    await vcpu.pause()
    expect([vcpu.started, vcpu.paused]).toEqual([false, false])
  })

  test('a pause that resume() or stop() overtakes ends', { timeout: PATIENCE }, async () => {
    using m = make()
    const { vcpu } = m
    const finished = vcpu.start(() => undefined)
    const overtaken = vcpu.pause()
    vcpu.resume()
    await overtaken
    expect(vcpu.paused).toBe(false)
    const other = vcpu.pause()
    const stopping = vcpu.stop()
    vcpu.resume()
    await Promise.all([other, stopping, finished])
    expect(vcpu.started).toBe(false)
  })

  test('stop() and close() end it from paused', { timeout: PATIENCE }, async () => {
    for (const how of ['stop', 'close'] as const) {
      using m = make()
      const finished = m.vcpu.start(() => undefined)
      await m.vcpu.pause()
      await m.vcpu[how]()
      await finished
      expect(m.vcpu.started).toBe(false)
    }
  })
})

test('any order of calls, from outside and from inside handlers, ends well', { timeout: PATIENCE }, async () => {
  // A fixed sequence of pseudo-random numbers (xorshift), so that a failure comes again.
  let seed = 0x1234_5678
  const random = (below: number) => {
    seed ^= seed << 13
    seed ^= seed >>> 17
    seed ^= seed << 5
    return (seed >>> 0) % below
  }
  for (let round = 0; round < AMOUNTS.repeats / 4; round++) {
    using m = machine(assemble(outAl(1), inDx(1), jumpBack(3)))
    m.vm.memory.write(0x3000, assemble(SPIN))
    if (round % 2 === 0) post(m.vm, { port: 1, length: 1 }, () => void step())
    const vcpus = [m.vcpu, addVcpu(m, 1, 0x3000)]
    const waits: Promise<unknown>[] = []
    let steps = 0
    const step = () => {
      if (++steps > 40) return m.vm.stop().catch(() => undefined)
      const vcpu = vcpus[random(2)]!
      const calls = [
        () => waits.push(vcpu.pause()),
        () => vcpu.resume(),
        () => m.vm.resume(),
        () => vcpu.kick(),
        () => waits.push(m.vm.pause()),
        () => random(8) === 0 && waits.push(vcpu.stop()),
        () => {
          if (!vcpu.started) waits.push(vcpu.start(handler))
        },
      ]
      calls[random(calls.length)]!()
      return undefined
    }
    const handler = () => {
      void step()
      return random(3) === 0 ? turn() : undefined
    }
    for (const vcpu of vcpus) waits.push(vcpu.start(handler))
    while (steps <= 40) {
      void step()
      await turn()
    }
    await m.vm.stop()
    await Promise.all(waits)
    expect(vcpus.map((vcpu) => [vcpu.started, vcpu.paused])).toEqual([
      [false, false],
      [false, false],
    ])
  }
})

describe('from inside a handler', () => {
  test('stop() ends the thread when the exit is handled', async () => {
    using m = machine(assemble(outAl(1), outAl(2), HLT))
    let exits = 0
    await m.vcpu.start(async () => {
      exits++
      void m.vcpu.stop()
      await turn()
      expect(m.vcpu.started).toBe(true)
    })
    expect([exits, m.vcpu.getRegs().rip]).toEqual([1, BigInt(START + 2)])
  })

  test('kick() gives an interrupted exit next', async () => {
    using m = machine(assemble(outAl(1), outAl(2), HLT))
    const seen: unknown[] = []
    await runToHalt(m.vcpu, (exit) => {
      seen.push(exit.reason === 'io' ? exit.port : exit.reason)
      if (seen.length === 1) m.vcpu.kick()
    })
    expect(seen).toEqual([1, 'interrupted', 2])
  })

  test('pause() and resume() cancel out', async () => {
    using m = machine(assemble(outAl(1), outAl(2), HLT))
    let exits = 0
    await runToHalt(m.vcpu, () => {
      exits++
      void m.vcpu.pause()
      m.vcpu.resume()
    })
    expect(exits).toBe(2)
  })
})

test('vm.pause() takes all vCPUs out, vm.resume() lets them run on', { timeout: PATIENCE }, async () => {
  using m = machine(assemble(INC_AX, jumpBack(1)))
  m.vm.memory.write(0x3000, assemble(outAl(1), jumpBack(2)))
  const vcpus = [m.vcpu, addVcpu(m, 1, 0x3000), addVcpu(m, 2, START)]
  const finished = Promise.all(vcpus.slice(0, 2).map((vcpu) => vcpu.start(() => undefined))) // the third has no thread
  for (let round = 0; round < 5; round++) {
    await m.vm.pause()
    expect(vcpus.map((vcpu) => vcpu.paused)).toEqual([true, true, false])
    for (const vcpu of vcpus) vcpu.getRegs()
    m.vm.resume()
    expect(vcpus.some((vcpu) => vcpu.paused)).toBe(false)
  }
  await m.vm.stop()
  await finished
})
