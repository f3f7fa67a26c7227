import { HostMemory, Kvm, type KvmErrorCode } from 'node-kvm'
import { describe, expect, test } from 'vitest'

import { expectRefusal, thrownBy } from '../thrown.js'
import { assemble, HLT, inDx } from './guests.js'
import { machine, runTo } from './machine.js'

const halted = assemble(HLT)
const CLOSED: KvmErrorCode = 'ERR_KVM_CLOSED'

describe('use after close', () => {
  test('vCPU', () => {
    using m = machine(halted, { irqchip: true })
    const { vcpu } = m
    const state = [vcpu.getSregs(), vcpu.getFpu(), vcpu.getVcpuEvents(), vcpu.getDebugregs(), vcpu.getLapic()] as const
    vcpu.close()
    vcpu.close()
    vcpu[Symbol.dispose]()
    const calls = {
      run: () => vcpu.run(),
      runUntil: () => vcpu.run({ deadline: 0 }),
      kick: () => vcpu.kick(),
      getRegs: () => vcpu.getRegs(),
      setRegs: () => vcpu.setRegs({}),
      getSregs: () => vcpu.getSregs(),
      setSregs: () => vcpu.setSregs(state[0]),
      getFpu: () => vcpu.getFpu(),
      setFpu: () => vcpu.setFpu(state[1]),
      getMsrs: () => vcpu.getMsrs([]),
      setMsrs: () => vcpu.setMsrs([]),
      getCpuid2: () => vcpu.getCpuid2(),
      setCpuid2: () => vcpu.setCpuid2([]),
      getLapic: () => vcpu.getLapic(),
      setLapic: () => vcpu.setLapic(state[4]),
      getMpState: () => vcpu.getMpState(),
      setMpState: () => vcpu.setMpState('runnable'),
      getVcpuEvents: () => vcpu.getVcpuEvents(),
      setVcpuEvents: () => vcpu.setVcpuEvents(state[2]),
      getDebugregs: () => vcpu.getDebugregs(),
      setDebugregs: () => vcpu.setDebugregs(state[3]),
      setGuestDebug: () => vcpu.setGuestDebug({ enable: false }),
    }
    for (const [name, call] of Object.entries(calls)) expect([name, thrownBy(call).code]).toEqual([name, CLOSED])
    expect([vcpu.closed, vcpu.id, m.vm.closed, m.vm.vcpus]).toEqual([true, 0, false, []])
  })

  test('VM', () => {
    using m = machine(halted, { irqchip: true })
    const { vm } = m
    const region = vm.memory.regions[0]!
    vm.close()
    vm.close()
    vm[Symbol.dispose]()
    const calls = {
      check: () => vm.check('KVM_CAP_HLT'),
      addMemory: () => vm.addMemory({ at: 0, size: 4096 }),
      removeMemory: () => vm.removeMemory(region),
      getDirtyLog: () => vm.getDirtyLog(region),
      createIrqchip: () => vm.createIrqchip(),
      createPit2: () => vm.createPit2(),
      setTssAddr: () => vm.setTssAddr(0),
      setIdentityMapAddr: () => vm.setIdentityMapAddr(0),
      createVcpu: () => vm.createVcpu(1),
      irqLine: () => vm.irqLine(0, true),
      getClock: () => vm.getClock(),
      setClock: () => vm.setClock({}),
      memory: () => vm.memory.readUint8(0),
      vcpu: () => m.vcpu.run(),
    }
    for (const [name, call] of Object.entries(calls)) expect([name, thrownBy(call).code]).toEqual([name, CLOSED])
    expect([vm.closed, m.vcpu.closed, m.kvm.closed, vm.vcpus]).toEqual([true, true, false, []])
  })

  test('host memory', () => {
    const memory = HostMemory.allocate({ size: 4096 })
    memory.close()
    memory.close()
    memory[Symbol.dispose]()
    expect(memory.closed).toBe(true)
  })

  test('wrong arguments of a closed handle are still no crash', () => {
    using m = machine(halted)
    m.vm.close()
    for (const call of [() => m.vcpu.setRegs(null as never), () => m.vm.addMemory({} as never)]) {
      expect([CLOSED, 'ERR_KVM_INVALID_ARGUMENT']).toContain(thrownBy(call).code)
    }
  })
})

describe('closing in any order', () => {
  const parts = ['kvm', 'vm', 'vcpu', 'memory'] as const
  const orders = parts.flatMap((a) =>
    parts.flatMap((b) =>
      parts.flatMap((c) => parts.map((d) => [a, b, c, d]).filter((order) => new Set(order).size === parts.length)),
    ),
  )

  test.each(orders)('%s, %s, %s, %s', (...order) => {
    using memory = HostMemory.allocate({ size: 4096 })
    const m = machine(assemble(inDx(1), HLT))
    const region = m.vm.addMemory({ at: 0x10_0000, memory })
    const exit = runTo(m.vcpu, 'io')
    const views = [exit.data, m.vm.memory.view(0, 1)]
    const shared = region.view(region.at, 1)
    const handles = { kvm: m.kvm, vm: m.vm, vcpu: m.vcpu, memory }
    for (const part of order) {
      if (part !== 'memory' || m.vm.closed) handles[part].close()
      else expectRefusal(() => memory.close(), 'ERR_KVM_MEMORY_IN_USE')
    }
    expect([m.kvm.closed, m.vm.closed, m.vcpu.closed]).toEqual([true, true, true])
    expect(views.map((view) => view.length)).toEqual([0, 0])
    memory.close()
    expect(shared.length).toBe(0)
  })

  test('a vCPU goes on when the device has been closed, and its neighbour too', () => {
    using m = machine(assemble(HLT, HLT))
    using second = m.vm.createVcpu(1)
    m.kvm.close()
    runTo(m.vcpu, 'hlt')
    second.close()
    runTo(m.vcpu, 'hlt')
  })
})

describe('handles', () => {
  test('are closed at the end of a using block, also by an error', () => {
    let kept: Kvm | undefined
    expect(() => {
      using kvm = Kvm.open()
      kept = kvm
      using vm = kvm.createVm()
      using _vcpu = vm.createVcpu(0)
      throw new Error('mine')
    }).toThrow('mine')
    expect(kept?.closed).toBe(true)
  })

  test('do not survive structuredClone: what comes out has no methods, and no descriptor', () => {
    using m = machine(halted)
    expect(structuredClone(m.vcpu)).toEqual({ id: 0, kickToken: m.vcpu.kickToken })
    expect(structuredClone(m.kvm)).toEqual({ apiVersion: 12 })
    runTo(m.vcpu, 'hlt')
  })

  test('do not survive being the prototype of something else', () => {
    using m = machine(halted)
    for (const call of [
      () => (Object.create(m.vcpu) as typeof m.vcpu).run(),
      () => (Object.create(m.vm) as typeof m.vm).createVcpu(1),
      () => new Proxy(m.vcpu, {}).getRegs(),
      () => m.vcpu.run.call(m.vm as never),
      () => m.vm.close.call({} as never),
    ] as (() => unknown)[]) {
      expect(call).toThrow(TypeError)
    }
    runTo(m.vcpu, 'hlt')
  })
})
