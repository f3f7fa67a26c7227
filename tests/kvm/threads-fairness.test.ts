// Guests that exit without pause, and everybody else's turn. And what the counters say.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { describe, expect, test } from 'vitest'

import { AMOUNTS, PATIENCE } from './amounts.js'
import { assemble, CLI, decCxJnzBack, HLT, inDx, jumpBack, movCx, movDx, outAl, SPIN } from './guests.js'
import { machine } from './machine.js'
import { addVcpu, runToHalt, turn, until } from './threaded.js'
import { answer, post } from './cells.js'

const options = { timeout: PATIENCE }
const sleep = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))

describe('beside guests that exit without pause', () => {
  test('timers, immediates and a socket are served', options, async () => {
    using m = machine(assemble(outAl(1), jumpBack(2)))
    using other = machine(assemble(outAl(1), jumpBack(2)))
    const exits = [0, 0, 0]
    const count = (index: number) => () => {
      exits[index] = (exits[index] ?? 0) + 1
    }
    m.vm.memory.write(0x3000, assemble(outAl(1), jumpBack(2)))
    const second = addVcpu(m, 1, 0x3000)
    const finished = [m.vcpu.start(count(0)), second.start(count(1)), other.vcpu.start(count(2))]

    const server = createServer((_, response) => response.end('here')).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    for (let round = 0; round < 5; round++) {
      expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('here')
      await sleep(1)
      await turn()
    }
    await until(() => exits.every((number) => number > 100)) // each vCPU has its turn
    server.closeAllConnections()
    server.close()
    await Promise.all([m.vm.stop(), other.vm.stop()])
    await Promise.all(finished)
  })

  test('posted writes without pause are no different', options, async () => {
    using m = machine(assemble(outAl(1), jumpBack(2)))
    using other = machine(assemble(movCx(200), outAl(2), decCxJnzBack(2), HLT))
    let posted = 0
    post(m.vm, { port: 1, length: 1 }, () => posted++)
    const finished = m.vcpu.start(() => undefined)
    for (let round = 0; round < 5; round++) await sleep(1)
    await runToHalt(other.vcpu, () => undefined)
    await until(() => posted > 2000)
    await m.vcpu.stop()
    await finished
    expect(m.vcpu.stats?.posted).toBe(posted)
  })

  test('a handler that blocks for a while delays, and loses nothing', options, async () => {
    using m = machine(assemble(movCx(20), outAl(1), decCxJnzBack(2), HLT))
    let exits = 0
    await runToHalt(m.vcpu, () => {
      exits++
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    })
    expect(exits).toBe(20)
  })
})

test('beside a guest that never exits everything works', options, async () => {
  using m = machine(assemble(SPIN))
  const finished = m.vcpu.start(() => expect.unreachable())
  await sleep(5)
  using other = machine(assemble(movCx(50), outAl(2), decCxJnzBack(2), HLT))
  let exits = 0
  await runToHalt(other.vcpu, () => {
    exits++
  })
  expect(exits).toBe(50)
  m.vm.addMemory({ at: 0x10_0000, size: 0x1000 })
  await m.vcpu.stop()
  await finished
})

test.each(['once', 'after posting'])('a halted guest costs no CPU time: %s', options, async (how) => {
  using m = machine(assemble(outAl(1), CLI, HLT), { irqchip: true })
  let seen = false
  const see = () => {
    seen = true
  }
  if (how === 'after posting') post(m.vm, { port: 1, length: 1 }, see)
  const finished = m.vcpu.start(see)
  await until(() => seen)
  await sleep(50) // whatever polls has given up
  const before = process.cpuUsage()
  await sleep(1000)
  const { user, system } = process.cpuUsage(before)
  expect(user + system).toBeLessThan(500_000) // one that polls takes a second, or two
  await m.vcpu.stop()
  await finished
})

describe('statistics', () => {
  test('are none before the first start(), and stay when the thread has ended', async () => {
    using m = machine(assemble(outAl(1), HLT))
    expect(m.vcpu.stats).toBeUndefined()
    await runToHalt(m.vcpu, () => undefined)
    expect(m.vcpu.stats?.exits).toEqual({ io: 1, hlt: 1 })
    m.vcpu.close()
    expect(m.vcpu.stats?.exits).toEqual({ io: 1, hlt: 1 })
  })

  test('add up', options, async () => {
    const count = AMOUNTS.repeats
    using m = machine(assemble(movCx(count), movDx(0x100), outAl(1), inDx(1), outAl(2), decCxJnzBack(5), HLT))
    post(m.vm, { port: 1, length: 1 }, () => undefined)
    answer(m.vm, { port: 0x100, width: 1 }, 0n)
    let handled = 0
    await runToHalt(m.vcpu, () => {
      handled++
    })
    const { exits, posted, latched, delivered, notified, slept, guestTime, handlerTime } = m.vcpu.stats!
    expect({ handled, exits, posted, latched }).toEqual({
      handled: count,
      exits: { io: 3 * count, hlt: 1 },
      posted: count,
      latched: count,
    })
    expect(delivered).toBe(count + 1) // the port without a latch or post, and hlt
    expect(notified).toBeLessThanOrEqual(delivered + posted)
    expect(slept).toBeLessThanOrEqual(delivered)
    expect(guestTime).toBeGreaterThan(0)
    expect(handlerTime).toBeGreaterThan(0)
  })

  test('count the time of a guest that does not exit', async () => {
    using m = machine(assemble(SPIN))
    const finished = m.vcpu.start(() => undefined)
    await sleep(20)
    expect(m.vcpu.stats?.guestTime).toBeGreaterThan(1)
    await m.vcpu.stop()
    await finished
  })
})
