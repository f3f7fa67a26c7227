// Exits of vCPUs with threads, and what their handlers do.
import type { Exit, ExitHandler } from 'node-kvm'
import { describe, expect, test } from 'vitest'

import { expectRefusal, expectRejection } from '../thrown.js'
import { AMOUNTS, PATIENCE } from './amounts.js'
import {
  assemble,
  decCxJnzBack,
  HLT,
  INC_AL,
  inDx,
  jumpBack,
  load,
  movAl,
  movAx,
  movCx,
  movDx,
  movEs,
  outAl,
  outDx,
  SPIN,
} from './guests.js'
import { machine, runTo, START } from './machine.js'
import { addVcpu, deferred, runToHalt, turn, until } from './threaded.js'

describe('a handler', () => {
  test('gets every exit, in order, on the JavaScript thread, while the event loop goes round', async () => {
    using m = machine(assemble(outAl(1), outAl(2), movEs(0x2000), load(2, 4), HLT))
    const seen: unknown[] = []
    await runToHalt(m.vcpu, (exit) => {
      if (exit.reason === 'io') seen.push(exit.port)
      if (exit.reason === 'mmio') seen.push(exit.address)
    })
    expect(seen).toEqual([1, 2, 0x2_0004])
    expect(m.vcpu.started).toBe(false)
  })

  test('answers: what it fills in is what the guest reads', async () => {
    using m = machine(assemble(movDx(0x100), inDx(1), movDx(0x200), outDx(1), HLT))
    let answer: number | undefined
    await runToHalt(m.vcpu, (exit) => {
      if (exit.reason !== 'io') throw new Error(exit.reason)
      if (exit.direction === 'in') exit.data[0] = 0x5a
      else answer = exit.data[0]
    })
    expect(answer).toBe(0x5a)
  })

  test('that returns a promise is waited for, and the event loop is free meanwhile', async () => {
    using m = machine(assemble(movDx(0x100), inDx(1), outAl(0x10), HLT))
    const { promise, resolve } = deferred()
    const log: string[] = []
    const finished = runToHalt(m.vcpu, async (exit) => {
      if (exit.reason !== 'io') throw new Error(exit.reason)
      log.push(exit.direction)
      if (exit.direction === 'out') {
        expect(exit.data[0]).toBe(7)
        return
      }
      await promise
      exit.data[0] = 7 // the exit is still the same
    })
    await until(() => log.length > 0)
    for (let round = 0; round < 10; round++) await turn()
    expect(log).toEqual(['in'])
    resolve()
    await finished
    expect(log).toEqual(['in', 'out'])
  })

  test('that returns a promise is given one exit at a time, never the next before', { timeout: PATIENCE }, async () => {
    using m = machine(assemble(movCx(AMOUNTS.repeats), outAl(1), decCxJnzBack(2), HLT))
    let active = 0
    let exits = 0
    await runToHalt(m.vcpu, async () => {
      expect(++active).toBe(1)
      exits++
      if (exits % 3 === 0) await turn()
      else await Promise.resolve()
      active--
    })
    expect(exits).toBe(AMOUNTS.repeats)
  })

  test('may return something else that has then(), even one that calls back more often than it should', async () => {
    using m = machine(assemble(outAl(1), outAl(2), HLT))
    const seen: number[] = []
    await runToHalt(m.vcpu, (exit) => {
      if (exit.reason === 'io') seen.push(exit.port)
      const thenable = {
        then(resolve: () => void, reject: (error: unknown) => void) {
          resolve()
          resolve()
          reject(new Error('too late'))
        },
      }
      return thenable as Promise<void>
    })
    expect(seen).toEqual([1, 2])
  })
})

describe('an error in a handler', () => {
  const boom = new Error('mine')
  const handlers: Record<string, ExitHandler> = {
    'thrown by the handler': () => {
      throw boom
    },
    'that its promise rejects with': async () => {
      await turn()
      throw boom
    },
    'that its promise rejects with at once': () => Promise.reject(boom),
    'thrown by its own then()': () =>
      ({
        then() {
          throw boom
        },
      }) as unknown as Promise<void>,
  }
  test.each(Object.entries(handlers))('%s stops the vCPU there and reaches the caller', async (_, handler) => {
    using m = machine(assemble(outAl(1), outAl(2), HLT))
    await expect(m.vcpu.start(handler)).rejects.toBe(boom)
    expect([m.vcpu.started, m.vcpu.paused]).toEqual([false, false])
    expect(m.vcpu.getRegs().rip).toBe(BigInt(START + 2)) // the first out is done
    expect(runTo(m.vcpu, 'io').port).toBe(2)
    runTo(m.vcpu, 'hlt')
  })

  test('is one whatever is thrown', async () => {
    for (const thrown of [undefined, null, 0, '', false, 'text', {}]) {
      using m = machine(assemble(outAl(1), HLT))
      const promise = m.vcpu.start(() => {
        // eslint-disable-next-line @typescript-eslint/only-throw-error
        throw thrown
      })
      await expect(
        promise.then(
          () => 'resolved',
          (reason: unknown) => ({ reason }),
        ),
      ).resolves.toEqual({ reason: thrown })
      using again = machine(assemble(outAl(1), HLT))
      const rejected = again.vcpu.start(async () => {
        await turn()
        // eslint-disable-next-line @typescript-eslint/only-throw-error
        throw thrown
      })
      await expect(
        rejected.then(
          () => 'resolved',
          (reason: unknown) => ({ reason }),
        ),
      ).resolves.toEqual({ reason: thrown })
    }
  })

  test('leaves an in that it did not answer pending; the vCPU can be started again', async () => {
    using m = machine(assemble(movDx(0x100), inDx(1), outAl(0x10), HLT))
    let kept: Exit | undefined
    await expect(
      m.vcpu.start((exit) => {
        kept = exit
        throw boom
      }),
    ).rejects.toBe(boom)
    if (kept?.reason !== 'io') throw new Error('no exit')
    kept.data[0] = 9
    let out: number | undefined
    await runToHalt(m.vcpu, (exit) => {
      if (exit.reason === 'io') out = exit.data[0]
    })
    expect(out).toBe(9)
  })

  test('stops only its own vCPU', async () => {
    using m = machine(assemble(outAl(1), HLT))
    m.vm.memory.write(0x3000, assemble(movCx(50), outAl(2), decCxJnzBack(2), HLT))
    let others = 0
    const other = runToHalt(addVcpu(m, 1, 0x3000), () => {
      others++
    })
    const failed = m.vcpu.start(() => {
      throw boom
    })
    await expect(failed).rejects.toBe(boom)
    await other
    expect(others).toBe(50)
  })

  test.each([0, 1, '', 'text', true, false, null, {}, [], () => 1])(
    'a handler that returns %o is told so',
    async (value) => {
      using m = machine(assemble(outAl(1), HLT))
      await expectRejection(m.vcpu.start((() => value) as never), 'ERR_KVM_INVALID_ARGUMENT', /nothing or a promise/)
      expect(m.vcpu.started).toBe(false)
    },
  )

  test('a handler that never settles holds only its vCPU: close() ends it', async () => {
    using m = machine(assemble(outAl(1), HLT))
    let waiting = false
    const finished = m.vcpu.start(() => {
      waiting = true
      return new Promise<void>(() => undefined)
    })
    await until(() => waiting)
    await turn()
    expect([m.vcpu.started, m.vcpu.closed]).toEqual([true, false])
    m.vcpu.close()
    await finished
    expect(m.vcpu.closed).toBe(true)
  })

  test('a promise that settles after close() changes nothing', async () => {
    for (const settle of ['resolve', 'reject'] as const) {
      using m = machine(assemble(outAl(1), HLT))
      const handling = deferred()
      let waiting = false
      const finished = m.vcpu.start(() => {
        waiting = true
        return handling.promise
      })
      await until(() => waiting)
      m.vcpu.close()
      await expect(finished).resolves.toBeUndefined()
      // Another vCPU has its place now, and is handling an exit: nobody answers that one.
      const other = addVcpu(m, 1, START)
      const exits: string[] = []
      const ended = other.start(({ reason }) => {
        exits.push(reason)
        return new Promise(() => undefined)
      })
      await until(() => exits.length === 1)
      handling[settle](new Error('nobody hears this'))
      for (let turns = 0; turns < 5; turns++) await turn()
      expect([m.vcpu.started, other.started, exits]).toEqual([false, true, ['io']])
      other.close()
      await ended
    }
  })
})

describe('start()', () => {
  test('takes a function and nothing else', () => {
    using m = machine(assemble(HLT))
    for (const handler of [undefined, null, 1, 'x', {}, [], Symbol('x')]) {
      expectRefusal(() => void m.vcpu.start(handler as never), 'ERR_KVM_INVALID_ARGUMENT', /handler/)
    }
    expect(m.vcpu.started).toBe(false)
    runTo(m.vcpu, 'hlt')
  })

  test('twice, and run() meanwhile, are refused, also from inside the handler', async () => {
    using m = machine(assemble(outAl(1), HLT))
    const attempts = [() => void m.vcpu.start(() => undefined), () => void m.vcpu.run()]
    let inside = 0
    const finished = runToHalt(m.vcpu, () => {
      for (const attempt of attempts) expectRefusal(attempt, 'ERR_KVM_RUNNING', /thread already/)
      inside++
    })
    for (const attempt of attempts) expectRefusal(attempt, 'ERR_KVM_RUNNING', /thread already/)
    await finished
    expect(inside).toBe(1)
  })

  test('again after it has stopped goes on where the guest was, and so does run()', async () => {
    using m = machine(assemble(outAl(1), outAl(2), outAl(3), HLT))
    const seen: number[] = []
    const one = () =>
      m.vcpu.start((exit) => {
        if (exit.reason === 'io') seen.push(exit.port)
        void m.vcpu.stop()
      })
    await one()
    expect(runTo(m.vcpu, 'io').port).toBe(2)
    await one()
    expect(seen).toEqual([1, 3])
    runTo(m.vcpu, 'hlt')
  })

  test('after an exit that run() has returned takes its answer', async () => {
    using m = machine(assemble(movDx(0x100), inDx(1), outAl(0x10), HLT))
    runTo(m.vcpu, 'io').data[0] = 3
    let out: number | undefined
    await runToHalt(m.vcpu, (exit) => {
      if (exit.reason === 'io') out = exit.data[0]
    })
    expect(out).toBe(3)
  })

  test('hands over an exit that reading state has led to', async () => {
    using m = machine(assemble(movEs(0x2000), movAx(0), load(2, 0xfff), movDx(0x10), outDx(2), HLT))
    runTo(m.vcpu, 'mmio').data[0] = 0x11
    expectRefusal(() => m.vcpu.getRegs(), 'ERR_KVM_ACCESS_PENDING')
    const seen: unknown[] = []
    await runToHalt(m.vcpu, (exit) => {
      if (exit.reason === 'mmio') {
        seen.push(exit.address)
        exit.data[0] = 0x22
      } else if (exit.reason === 'io') seen.push([...exit.data])
    })
    expect(seen).toEqual([0x2_1000, [0x11, 0x22]])
  })

  test('is refused on a closed vCPU', () => {
    using m = machine(assemble(HLT))
    m.vcpu.close()
    expectRefusal(() => void m.vcpu.start(() => undefined), 'ERR_KVM_CLOSED')
    expect(m.vcpu.started).toBe(false)
  })

  test('and stop, many times over, leaves nothing behind', { timeout: PATIENCE }, async () => {
    using m = machine(assemble(outAl(1), jumpBack(2)))
    for (let round = 0; round < AMOUNTS.repeats; round++) {
      let exits = 0
      const finished = m.vcpu.start(() => {
        exits++
      })
      if (round % 2 === 0) await until(() => exits > 0)
      await m.vcpu.stop()
      await finished
      expect(m.vcpu.started).toBe(false)
    }
    expect(runTo(m.vcpu, 'io').port).toBe(1)
  })
})

describe('several vCPUs', () => {
  test('of one VM run at the same time: each waits for what the other writes', { timeout: PATIENCE }, async () => {
    // inc byte [flag]; then wait until the other's flag has followed: mov al, [mine]; cmp al, [theirs]; ja back
    const follow = (mine: number, theirs: number) => [
      ...[0xfe, 0x06, mine & 0xff, mine >> 8],
      ...[0xa0, mine & 0xff, mine >> 8, 0x3a, 0x06, theirs & 0xff, theirs >> 8, 0x77, 0xf7],
    ]
    const rounds = Math.min(AMOUNTS.repeats, 20)
    using m = machine(assemble(movCx(rounds), follow(0x500, 0x501), decCxJnzBack(13), outAl(1), HLT))
    m.vm.memory.write(0x3000, assemble(movCx(rounds), follow(0x501, 0x500), decCxJnzBack(13), outAl(2), HLT))
    const done: number[] = []
    const handler = (exit: Exit) => {
      if (exit.reason === 'io') done.push(exit.port)
    }
    await Promise.all([runToHalt(m.vcpu, handler), runToHalt(addVcpu(m, 1, 0x3000), handler)])
    expect(done.sort()).toEqual([1, 2])
    expect([m.vm.memory.readUint8(0x500), m.vm.memory.readUint8(0x501)]).toEqual([rounds, rounds])
  })

  test('of several VMs share the JavaScript thread, each in its own order', { timeout: PATIENCE }, async () => {
    const count = 5
    const machines = Array.from({ length: count }, (_, index) =>
      machine(assemble(movAl(0), movCx(100), outAl(index), INC_AL, decCxJnzBack(4), HLT)),
    )
    const seen = machines.map((): number[] => [])
    await Promise.all(
      machines.map(({ vcpu }, index) =>
        runToHalt(vcpu, (exit) => {
          if (exit.reason === 'io') {
            expect(exit.port).toBe(index)
            seen[index]?.push(exit.data[0] ?? -1)
          }
        }),
      ),
    )
    for (const m of machines) m[Symbol.dispose]()
    expect(seen).toEqual(machines.map(() => Array.from({ length: 100 }, (_, value) => value)))
  })

  test('one may be closed, stopped or started in the handler of another', async () => {
    using m = machine(assemble(outAl(1), outAl(2), outAl(3), HLT))
    m.vm.memory.write(0x3000, assemble(SPIN))
    const second = addVcpu(m, 1, 0x3000)
    const third = addVcpu(m, 2, 0x3000)
    let thirdFinished: Promise<void> | undefined
    const spinning = second.start(() => undefined)
    await runToHalt(m.vcpu, (exit) => {
      if (exit.reason !== 'io') return undefined
      if (exit.port === 1) second.close()
      if (exit.port === 2) thirdFinished = third.start(() => undefined)
      return exit.port === 3 ? third.stop() : undefined
    })
    await spinning
    await thirdFinished
    expect([second.closed, third.started]).toEqual([true, false])
  })

  test('a VM may be closed in a handler of its own', async () => {
    using m = machine(assemble(outAl(1), HLT))
    m.vm.memory.write(0x3000, assemble(outAl(2), jumpBack(2)))
    const second = addVcpu(m, 1, 0x3000).start(() => undefined)
    await m.vcpu.start((exit) => {
      m.vm.close()
      if (exit.reason === 'io') expect(exit.data.length).toBe(0)
    })
    await second
    expect([m.vm.closed, m.vcpu.closed, m.vcpu.started]).toEqual([true, true, false])
  })
})
