// An access that KVM completes only when the vCPU is entered again is completed before state is read or written.
import { describe, expect, test } from 'vitest'

import { expectRefusal } from '../thrown.js'
import {
  assemble,
  HLT,
  inDx,
  INC_AX,
  load,
  movCx,
  movDi,
  movDx,
  movEax,
  movEs,
  outAl,
  repIns,
  store,
} from './guests.js'
import { machine, runTo, START } from './machine.js'

const IN = assemble(movEax(0), movDx(0x100), inDx(4), HLT)
const AFTER_IN = BigInt(START + IN.length - 1)

describe('after an in', () => {
  test('rip is past the instruction and the register has the answer', () => {
    using m = machine(IN)
    runTo(m.vcpu, 'io').data.set([1, 2, 3, 4])
    expect(m.vcpu.getRegs()).toMatchObject({ rip: AFTER_IN, rax: 0x0403_0201n })
    runTo(m.vcpu, 'hlt')
    expect(m.vcpu.getRegs().rax).toBe(0x0403_0201n)
  })

  test('the same when registers come from the run page', () => {
    using m = machine(assemble([...IN].slice(0, -1), inDx(4), HLT))
    m.vcpu.getRegs() // from now on, each exit leaves them there
    runTo(m.vcpu, 'io').data.fill(1)
    expect(m.vcpu.getRegs()).toMatchObject({ rip: AFTER_IN, rax: 0x0101_0101n })
    runTo(m.vcpu, 'io').data.fill(2)
    expect(m.vcpu.getRegs().rax).toBe(0x0202_0202n)
    expect(m.vcpu.getSregs().cs.selector).toBe(0)
  })

  test('reading twice completes once; the answer is taken when state is first asked for', () => {
    using m = machine(IN)
    const exit = runTo(m.vcpu, 'io')
    exit.data.fill(1)
    const first = m.vcpu.getRegs()
    exit.data.fill(2) // too late
    expect(m.vcpu.getRegs()).toEqual(first)
    runTo(m.vcpu, 'hlt')
    expect(m.vcpu.getRegs().rax).toBe(0x0101_0101n)
  })

  test('a register set then is not overwritten by the completion', () => {
    using m = machine(IN)
    runTo(m.vcpu, 'io').data.fill(1)
    m.vcpu.setRegs({ rax: 7n })
    runTo(m.vcpu, 'hlt')
    expect(m.vcpu.getRegs().rax).toBe(7n)
  })

  test('a new rip is where the guest goes on', () => {
    using m = machine(IN)
    m.vm.memory.write(0x3000, assemble(INC_AX, outAl(0x55), HLT))
    runTo(m.vcpu, 'io').data.fill(1)
    m.vcpu.setRegs({ rip: 0x3000n })
    expect(runTo(m.vcpu, 'io')).toMatchObject({ direction: 'out', port: 0x55 })
    expect(m.vcpu.getRegs().rax).toBe(0x0101_0102n)
  })

  test('every other getter completes it, too', () => {
    const getters = ['getSregs', 'getFpu', 'getVcpuEvents', 'getDebugregs', 'getMpState'] as const
    for (const getter of getters) {
      using m = machine(IN)
      const exit = runTo(m.vcpu, 'io')
      exit.data.fill(1)
      m.vcpu[getter]()
      exit.data.fill(2) // too late
      runTo(m.vcpu, 'hlt')
      expect([getter, m.vcpu.getRegs().rax]).toEqual([getter, 0x0101_0101n])
    }
  })

  test('a kick completes it: the interrupted exit has the answer in its register', () => {
    using m = machine(IN)
    runTo(m.vcpu, 'io').data.fill(1)
    m.vcpu.kick()
    expect(m.vcpu.run()).toEqual({ reason: 'interrupted', cause: 'kick' })
    expect(m.vcpu.getRegs()).toMatchObject({ rip: AFTER_IN, rax: 0x0101_0101n })
  })

  test('a kick before state is read is not lost', () => {
    using m = machine(IN)
    runTo(m.vcpu, 'io')
    m.vcpu.kick()
    m.vcpu.getRegs()
    expect(m.vcpu.run()).toEqual({ reason: 'interrupted', cause: 'kick' })
    runTo(m.vcpu, 'hlt')
  })
})

describe('after an out', () => {
  test('rip is past the instruction', () => {
    using m = machine(assemble(outAl(0x10), HLT))
    runTo(m.vcpu, 'io')
    expect(m.vcpu.getRegs().rip).toBe(BigInt(START + 2))
  })
})

describe('after an mmio exit', () => {
  test('a read has its answer, a write is done', () => {
    using m = machine(assemble(movEs(0x2000), movEax(0), load(2, 0), store(2, 8), HLT))
    runTo(m.vcpu, 'mmio').data.set([0x34, 0x12])
    expect(m.vcpu.getRegs().rax).toBe(0x1234n)
    expect([...runTo(m.vcpu, 'mmio').data]).toEqual([0x34, 0x12])
    const { rip } = m.vcpu.getRegs()
    expect(m.vm.memory.readUint8(Number(rip))).toBe(HLT[0])
  })

  test('one that takes two exits refuses state in between, as often as it is asked, and run() has the next part', () => {
    using m = machine(assemble(movEs(0x2000), movEax(0), load(4, 0xffe), HLT))
    runTo(m.vcpu, 'mmio').data.set([1, 2])
    const calls = [
      () => m.vcpu.getRegs(),
      () => m.vcpu.getSregs(),
      () => m.vcpu.setRegs({ rax: 1n }),
      () => m.vcpu.getFpu(),
      () => m.vcpu.getMsrs([0x10]),
    ]
    for (const call of calls) {
      const error = expectRefusal(call, 'ERR_KVM_ACCESS_PENDING', /run\(\) returns the next part/)
      expect(error.operands).toEqual({ vcpu: 0 })
    }
    const next = runTo(m.vcpu, 'mmio')
    expect(next).toMatchObject({ address: 0x2_1000, isWrite: false })
    next.data.set([3, 4])
    expect(m.vcpu.getRegs().rax).toBe(0x0403_0201n)
    runTo(m.vcpu, 'hlt')
  })

  test('a kick in between waits for the part after', () => {
    using m = machine(assemble(movEs(0x2000), movEax(0), load(4, 0xffe), HLT))
    runTo(m.vcpu, 'mmio').data.set([1, 2])
    expectRefusal(() => m.vcpu.getRegs(), 'ERR_KVM_ACCESS_PENDING')
    m.vcpu.kick()
    runTo(m.vcpu, 'mmio').data.set([3, 4])
    expect(m.vcpu.run()).toEqual({ reason: 'interrupted', cause: 'kick' })
    expect(m.vcpu.getRegs().rax).toBe(0x0403_0201n)
  })
})

test('string input that takes several exits: what has arrived is in memory and in the count', () => {
  using m = machine(assemble(movDx(0x100), movDi(0x2000), movCx(3000), repIns(1), HLT))
  let arrived = 0
  for (let exit = m.vcpu.run(); exit.reason === 'io'; exit = m.vcpu.run()) {
    exit.data.fill(7)
    arrived += exit.count
    expect(m.vcpu.getRegs()).toMatchObject({ rcx: BigInt(3000 - arrived), rdi: BigInt(0x2000 + arrived) })
    expect(m.vm.memory.read(0x2000 + arrived - 1, 2)).toEqual(Uint8Array.of(7, 0))
  }
  expect(arrived).toBe(3000)
})
