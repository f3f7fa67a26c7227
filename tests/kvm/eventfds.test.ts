// Doorbells (ioeventfd) and interrupt lines raised by eventfds (irqfd).
import { describe, expect, test } from 'vitest'

import { expectRefusal, NOT_OBJECTS, NOT_WHOLE_NUMBERS } from '../thrown.js'
import {
  assemble,
  CLI,
  decCxJnzBack,
  END_OF_INTERRUPT,
  HLT,
  IRET,
  jumpBack,
  movAl,
  movAx,
  movCx,
  movDx,
  movEax,
  movEs,
  outAl,
  outDx,
  PROGRAM_PIC,
  STI,
  store,
} from './guests.js'
import { PATIENCE } from './amounts.js'
import { machine, type Machine, runTo } from './machine.js'
import { block, runToHalt, turn, until } from './threaded.js'

describe('ioeventfd', () => {
  test('a write to the port is no exit; the listener is called with the count', async () => {
    using m = machine(assemble(movCx(5), outAl(0x10), decCxJnzBack(2), outAl(0x20), HLT))
    let rings = 0
    m.vm.ioeventfd({ port: 0x10 }, (count) => (rings += count))
    const ports: number[] = []
    await runToHalt(m.vcpu, (exit) => {
      if (exit.reason === 'io') ports.push(exit.port)
    })
    await until(() => rings >= 5)
    expect([ports, rings]).toEqual([[0x20], 5])
  })

  test('works with run(), too, and many writes come as one call', async () => {
    using m = machine(assemble(movCx(7), outAl(0x10), decCxJnzBack(2), HLT))
    const counts: number[] = []
    m.vm.ioeventfd({ port: 0x10 }, (count) => counts.push(count))
    runTo(m.vcpu, 'hlt')
    expect(counts).toEqual([]) // only on the event loop
    await until(() => counts.length > 0)
    await turn()
    expect(counts).toEqual([7])
  })

  test('at an address', async () => {
    using m = machine(assemble(movEs(0x2000), movAx(1), store(2, 0x10), store(2, 0x12), HLT))
    let rings = 0
    m.vm.ioeventfd({ address: 0x2_0010 }, (count) => (rings += count))
    const exits: unknown[] = []
    await runToHalt(m.vcpu, (exit) => {
      if (exit.reason === 'mmio') exits.push(exit.address)
    })
    await until(() => rings > 0)
    expect([rings, exits]).toEqual([1, [0x2_0012]])
  })

  test('of a width and of a value: others exit', async () => {
    using m = machine(
      assemble(movDx(0x100), movEax(0x1234), outDx(1), outDx(2), outDx(4), movAx(0x1235), outDx(2), HLT),
    )
    const rings: string[] = []
    m.vm.ioeventfd({ port: 0x100, length: 2, datamatch: 0x1234n }, () => rings.push('0x1234'))
    const exits: unknown[] = []
    await runToHalt(m.vcpu, (exit) => {
      if (exit.reason === 'io') exits.push([exit.size, exit.data[0]])
    })
    await until(() => rings.length > 0)
    expect(exits).toEqual([
      [1, 0x34],
      [4, 0x34],
      [2, 0x35],
    ])
  })

  test('several values of one port have a listener each', async () => {
    using m = machine(assemble(movDx(0x100), movAl(0), outDx(1), movAl(1), outDx(1), movAl(1), outDx(1), HLT))
    const rings = [0, 0]
    for (const value of [0, 1]) {
      m.vm.ioeventfd({ port: 0x100, length: 1, datamatch: BigInt(value) }, (count) => {
        rings[value] = (rings[value] ?? 0) + count
      })
    }
    await runToHalt(m.vcpu)
    await until(() => rings[0] === 1 && rings[1] === 2)
    expectRefusal(
      () => m.vm.ioeventfd({ port: 0x100, length: 1, datamatch: 1n }, () => undefined),
      'ERR_KVM_IOCTL',
      /KVM_IOEVENTFD failed with EEXIST/,
    )
  })

  test('closed: writes exit, and what had rung is not delivered', async () => {
    using m = machine(assemble(outAl(0x10), outAl(0x20), outAl(0x10), HLT))
    const doorbell = m.vm.ioeventfd({ port: 0x10 }, () => expect.unreachable())
    runTo(m.vcpu, 'io')
    doorbell.close()
    doorbell.close()
    doorbell[Symbol.dispose]()
    await turn()
    expect(runTo(m.vcpu, 'io').port).toBe(0x10)
    m.vm.ioeventfd({ port: 0x10 }, () => undefined).close() // free again
    m.vm.close()
    doorbell.close()
    expectRefusal(() => m.vm.ioeventfd({ port: 0x10 }, () => undefined), 'ERR_KVM_CLOSED')
  })

  test('a listener may close its doorbell, and the VM', async () => {
    for (const what of ['doorbell', 'VM'] as const) {
      using m = machine(assemble(outAl(0x10), HLT))
      let rings = 0
      const doorbell = m.vm.ioeventfd({ port: 0x10 }, () => {
        rings++
        if (what === 'VM') m.vm.close()
        else doorbell.close()
      })
      runTo(m.vcpu, 'hlt')
      await until(() => rings > 0)
      await turn()
      expect(rings).toBe(1)
    }
  })

  test('a guest that rings without pause leaves timers their turn', async () => {
    using m = machine(assemble(outAl(0x10), jumpBack(2)))
    let rings = 0
    m.vm.ioeventfd({ port: 0x10 }, (count) => (rings += count))
    const finished = m.vcpu.start(() => undefined)
    for (let tick = 0; tick < 5; tick++) await new Promise((resolve) => setTimeout(resolve, 1))
    await until(() => rings > 100)
    block(5)
    await m.vcpu.stop()
    await finished
    expect(m.vcpu.stats?.exits).toEqual({})
  })

  test('arguments', () => {
    using m = machine(assemble(HLT))
    const open = (options: unknown, listener: unknown = () => undefined) =>
      m.vm.ioeventfd(options as never, listener as never)
    for (const value of NOT_OBJECTS) expectRefusal(() => open(value), 'ERR_KVM_INVALID_ARGUMENT')
    for (const value of NOT_WHOLE_NUMBERS) {
      expectRefusal(() => open({ port: value }), 'ERR_KVM_INVALID_ARGUMENT')
      expectRefusal(() => open({ port: 1, length: value === null ? NaN : value }), 'ERR_KVM_INVALID_ARGUMENT')
    }
    for (const options of [
      {},
      { port: 1, address: 1 },
      { port: 0x1_0000 },
      { port: 1, length: 3 },
      { port: 1, datamatch: 1n },
      { port: 1, length: 1, datamatch: 256n },
      { port: 1, length: 1, datamatch: 1 },
      { port: 1, value: 1n },
    ]) {
      expectRefusal(() => open(options), 'ERR_KVM_INVALID_ARGUMENT')
    }
    for (const listener of [null, 1, {}]) expectRefusal(() => open({ port: 1 }, listener), 'ERR_KVM_INVALID_ARGUMENT')
  })
})

/** A guest that counts interrupts of line 5 at port 0x10, and halts in between. */
function interruptible(): Machine {
  const m = machine(assemble(PROGRAM_PIC, STI, outAl(0x11), HLT, jumpBack(1)), { irqchip: true })
  m.vm.memory.writeUint16(4 * 0x25, 0x3000)
  m.vm.memory.writeUint16(4 * 0x25 + 2, 0)
  m.vm.memory.write(0x3000, assemble(outAl(0x10), END_OF_INTERRUPT, IRET))
  return m
}

describe('irqfd', () => {
  test('each trigger is an interrupt, when the guest has seen the one before', async () => {
    using m = interruptible()
    const line = m.vm.irqfd(5)
    expect(line.gsi).toBe(5)
    let ready = false
    let interrupts = 0
    const finished = m.vcpu.start((exit) => {
      if (exit.reason !== 'io') throw new Error(exit.reason)
      if (exit.port === 0x11) ready = true
      else interrupts++
    })
    await until(() => ready)
    for (let count = 1; count <= 5; count++) {
      line.trigger()
      await until(() => interrupts === count)
    }
    line.close()
    line.close()
    line[Symbol.dispose]()
    expectRefusal(() => line.trigger(), 'ERR_KVM_CLOSED')
    await m.vcpu.stop()
    await finished
    expect(interrupts).toBe(5)
  })

  test('with resample the line stays up until the guest acknowledges', { timeout: PATIENCE }, async () => {
    using m = interruptible()
    const log: string[] = []
    let pending = 3
    const line = m.vm.irqfd(5, {
      resample() {
        log.push('end')
        if (--pending > 0) line.trigger() // the device still wants attention
      },
    })
    let ready = false
    const finished = m.vcpu.start((exit) => {
      if (exit.reason !== 'io') throw new Error(exit.reason)
      if (exit.port === 0x11) ready = true
      else log.push('interrupt')
    })
    await until(() => ready)
    line.trigger()
    await until(() => pending === 0)
    await m.vcpu.stop()
    await finished
    expect(log).toEqual(['interrupt', 'end', 'interrupt', 'end', 'interrupt', 'end'])
  })

  test('needs an irqchip, and a line that is one', () => {
    using without = machine(assemble(HLT))
    expectRefusal(() => without.vm.irqfd(5), 'ERR_KVM_IOCTL', /KVM_IRQFD/)
    using m = machine(assemble(CLI, HLT), { irqchip: true })
    for (const gsi of NOT_WHOLE_NUMBERS) expectRefusal(() => m.vm.irqfd(gsi as never), 'ERR_KVM_INVALID_ARGUMENT')
    for (const options of [null, 1, 'x', { resampel: () => undefined }, { resample: 1 }]) {
      expectRefusal(() => m.vm.irqfd(5, options as never), 'ERR_KVM_INVALID_ARGUMENT')
    }
    const line = m.vm.irqfd(5)
    m.vm.close()
    expectRefusal(() => line.trigger(), 'ERR_KVM_CLOSED')
    expectRefusal(() => m.vm.irqfd(5), 'ERR_KVM_CLOSED')
  })
})
