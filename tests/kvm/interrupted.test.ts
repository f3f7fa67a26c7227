import { kick, type KickToken, type RunOptions } from 'node-kvm'
import { describe, expect, test } from 'vitest'

import { expectRefusal, NOT_OBJECTS } from '../thrown.js'
import { AMOUNTS, PATIENCE } from './amounts.js'
import { assemble, CLI, HLT, INC_AX, jumpBack, outAl, SPIN, STI } from './guests.js'
import { machine, runTo, START } from './machine.js'

const DEADLINE = { reason: 'interrupted', cause: 'deadline' }
const KICK = { reason: 'interrupted', cause: 'kick' }
const soon = (): RunOptions => ({ deadline: performance.now() + 5 })

describe('deadlines', () => {
  test('a guest that spins is interrupted, not before the time, and can be run on', () => {
    using m = machine(assemble(INC_AX, jumpBack(1)))
    for (let round = 0; round < 3; round++) {
      const options = soon()
      expect(m.vcpu.run(options)).toEqual(DEADLINE)
      expect(performance.now()).toBeGreaterThanOrEqual(options.deadline!)
      const { rip, r8 } = m.vcpu.getRegs()
      expect(rip).toBeGreaterThanOrEqual(BigInt(START))
      expect(rip).toBeLessThanOrEqual(BigInt(START + 1))
      expect(r8).toBe(BigInt(round))
      m.vcpu.setRegs({ r8: BigInt(round + 1) })
    }
  })

  test.each([
    ['in the past', () => performance.now() - 1000],
    ['now', () => performance.now()],
    ['0', () => 0],
    ['negative', () => -1e300],
    ['-Infinity', () => -Infinity],
    ['a fraction', () => performance.now() + 0.25],
  ])('%s: a guest that spins comes back', (_, deadline) => {
    using m = machine(assemble(SPIN))
    expect(m.vcpu.run({ deadline: deadline() })).toEqual(DEADLINE)
  })

  test.each([
    ['Infinity', Infinity],
    ['the largest number', Number.MAX_VALUE],
    ['a year ahead', 365 * 86_400_000],
    ['2^53', 2 ** 53],
  ])('%s: a guest that exits does so', (_, deadline) => {
    using m = machine(assemble(outAl(1), HLT))
    expect(m.vcpu.run({ deadline }).reason).toBe('io')
    expect(m.vcpu.run({ deadline }).reason).toBe('hlt')
  })

  test('far ahead: a kick still ends it', () => {
    using m = machine(assemble(SPIN))
    m.vcpu.kick()
    expect(m.vcpu.run({ deadline: Infinity })).toEqual(KICK)
  })

  test.each([
    ['with interrupts', STI],
    ['for ever, without interrupts', CLI],
  ])('a guest that halts %s under an in-kernel irqchip', (_, flag) => {
    using m = machine(assemble(flag, HLT), { irqchip: true })
    // On a slow host the first deadline may come before the guest has halted.
    do expect(m.vcpu.run(soon())).toEqual(DEADLINE)
    while (m.vcpu.getMpState() !== 'halted')
    for (let round = 0; round < 3; round++) {
      expect(m.vcpu.run(soon())).toEqual(DEADLINE)
      expect(m.vcpu.getMpState()).toBe('halted')
    }
  })

  test('a vCPU that waits for its start-up interrupt', () => {
    using m = machine(assemble(HLT), { irqchip: true })
    using second = m.vm.createVcpu(1)
    expect(second.getMpState()).toBe('uninitialized')
    expect(second.run(soon())).toEqual(DEADLINE)
    second.kick()
    expect(second.run()).toEqual(KICK)
  })

  test('one deadline serves many runs', () => {
    using m = machine(assemble(outAl(1), jumpBack(2)))
    const options = { deadline: performance.now() + 20 }
    let exits = 0
    for (let exit = m.vcpu.run(options); exit.reason !== 'interrupted'; exit = m.vcpu.run(options)) exits++
    expect(exits).toBeGreaterThan(0)
  })

  test('many in a row, on two vCPUs in turn', { timeout: PATIENCE }, () => {
    using one = machine(assemble(SPIN))
    using two = machine(assemble(SPIN))
    for (let round = 0; round < AMOUNTS.repeats; round++) {
      expect(one.vcpu.run({ deadline: performance.now() + (round % 3) })).toEqual(DEADLINE)
      expect(two.vcpu.run({ deadline: performance.now() + (round % 2) })).toEqual(DEADLINE)
    }
  })

  test('a deadline that was not reached does not disturb what comes later', () => {
    using m = machine(assemble(outAl(1), outAl(2), HLT))
    // A slow host may reach it the first time.
    while (m.vcpu.run(soon()).reason !== 'io');
    const until = performance.now() + 20
    while (performance.now() < until); // the timer goes off here
    expect(m.vcpu.run()).toMatchObject({ reason: 'io', port: 2 })
    expect(m.vcpu.run().reason).toBe('hlt')
  })

  test('what is no time is refused, and the guest has not run', () => {
    using m = machine(assemble(INC_AX, HLT))
    for (const deadline of [NaN, '1', 1n, null, true, {}, new Date()]) {
      expectRefusal(() => m.vcpu.run({ deadline } as never), 'ERR_KVM_INVALID_ARGUMENT', /deadline/)
    }
    for (const value of NOT_OBJECTS) expectRefusal(() => m.vcpu.run(value as never), 'ERR_KVM_INVALID_ARGUMENT')
    expectRefusal(() => m.vcpu.run({ timeout: 1 } as never), 'ERR_KVM_INVALID_ARGUMENT', /timeout/)
    expect(m.vcpu.getRegs()).toMatchObject({ rip: BigInt(START), rax: 0n })
    expect(m.vcpu.run({ deadline: undefined as never }).reason).toBe('hlt')
  })
})

describe('kicks', () => {
  test('before run(): the next one returns at once, only the next, and the guest has not moved', () => {
    using m = machine(assemble(INC_AX, HLT))
    m.vcpu.kick()
    expect(m.vcpu.run()).toEqual(KICK)
    expect(m.vcpu.getRegs().rip).toBe(BigInt(START))
    runTo(m.vcpu, 'hlt')
  })

  test('several are one', () => {
    using m = machine(assemble(HLT))
    for (let time = 0; time < 5; time++) m.vcpu.kick()
    expect(m.vcpu.run()).toEqual(KICK)
    runTo(m.vcpu, 'hlt')
  })

  test('by token, each vCPU by its own', () => {
    using m = machine(assemble(HLT))
    using second = m.vm.createVcpu(1)
    expect(second.kickToken).not.toBe(m.vcpu.kickToken)
    expect(kick(second.kickToken)).toBe(true)
    expect(m.vcpu.run().reason).toBe('hlt')
    expect(second.run()).toEqual(KICK)
  })

  test('a closed vCPU is told as such, and its token is never used again', () => {
    using m = machine(assemble(HLT))
    const { kickToken } = m.vcpu
    m.vcpu.close()
    expect(kick(kickToken)).toBe(false)
    using other = machine(assemble(HLT))
    expect(other.vcpu.kickToken).not.toBe(kickToken)
    expect(kick(kickToken)).toBe(false)
    expectRefusal(() => m.vcpu.kick(), 'ERR_KVM_CLOSED')
  })

  test('what is no token', () => {
    expect([kick(0 as KickToken), kick(Number.MAX_SAFE_INTEGER as KickToken)]).toEqual([false, false])
    for (const token of [-1, 0.5, NaN, 2 ** 53, '1', 1n, null, undefined, {}]) {
      expectRefusal(() => kick(token as never), 'ERR_KVM_INVALID_ARGUMENT', /token/)
    }
  })
})

test(
  "the library's own signal, still to come when a run is over, disturbs no other call",
  { timeout: PATIENCE },
  () => {
    using m = machine(assemble(HLT, jumpBack(1)))
    for (let round = 0; round < AMOUNTS.repeats; round++) {
      expect(['hlt', 'interrupted']).toContain(m.vcpu.run({ deadline: performance.now() + 0.5 }).reason)
      using vm = m.kvm.createVm()
      vm.addMemory({ at: 0, size: 0x1000 })
      using vcpu = vm.createVcpu(0)
      expect(vcpu.getRegs().rflags).toBe(2n)
    }
  },
)
