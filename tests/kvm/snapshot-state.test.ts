import { setTimeout } from 'node:timers/promises'
import type { MpState } from 'node-kvm'
import { restoreVcpu, restoreVm, saveVcpu, saveVm } from 'node-kvm/snapshot'
import { describe, expect, test } from 'vitest'

import { expectRefusal } from '../thrown.js'
import {
  assemble,
  END_OF_INTERRUPT,
  HLT,
  inDx,
  INC_AX,
  IRET,
  load,
  movDx,
  movEs,
  outAl,
  PROGRAM_PIC,
  SPIN,
  STI,
} from './guests.js'
import { kind, longModeMachine, machine, type MachineOptions, runTo } from './machine.js'
import { blankLike, continued, throughJson, withoutTime } from './saved-vms.js'

/** Milliseconds between saving and restoring. */
const PAUSE = 300
const whole: MachineOptions = { irqchip: true, pit: true, cpuid: true }

describe('what is saved is restored', () => {
  const kinds: [string, MachineOptions][] = [
    ['a VM with all that the kernel has', whole],
    ['a VM without an interrupt controller', { cpuid: true }],
    ['a vCPU without CPUID', {}],
  ]
  test.each(kinds)('%s: the copy has the same state', (_, options) => {
    using m = machine(assemble(HLT), options)
    using copy = continued(m, options)
    expect(withoutTime(saveVm(copy.kvm, copy.vm))).toEqual(withoutTime(saveVm(m.kvm, m.vm)))
  })

  test('JSON carries it as it is', () => {
    using m = machine(assemble(HLT), whole)
    const state = saveVm(m.kvm, m.vm)
    expect(throughJson(state)).toEqual(state)
  })

  test('64-bit mode, with every register in use', () => {
    using m = longModeMachine(assemble(HLT), whole)
    const { vcpu } = m
    const names = Object.keys(vcpu.getRegs()).filter((name) => !['rip', 'rflags'].includes(name))
    vcpu.setRegs(Object.fromEntries(names.map((name, index) => [name, 2n ** 64n - 1n - BigInt(index)])))
    vcpu.setDebugregs({ db: [1n, 2n, 3n, 4n], dr7: 0x401n })
    const area = vcpu.getXsave()
    for (let at = 32; at < 416; at++) area[at] = at & 0xff // ST0 to ST7 and XMM0 to XMM15
    new DataView(area.buffer).setBigUint64(512, 3n, true) // XSTATE_BV: x87 and SSE
    vcpu.setXsave(area)
    vcpu.setMsrs([
      [0xc000_0081, 0x23_0008_0000_0000n], // STAR
      [0xc000_0102, 0xffff_8000_0000_1000n], // KERNEL_GS_BASE
    ])
    using copy = continued(m, whole)
    expect(withoutTime(saveVm(copy.kvm, copy.vm))).toEqual(withoutTime(saveVm(m.kvm, m.vm)))
    expect(copy.vcpu.getXsave().slice(32, 416)).toEqual(area.slice(32, 416))
    expect(copy.vcpu.getMsrs([0xc000_0102]).get(0xc000_0102)).toBe(0xffff_8000_0000_1000n)
  })

  test('the controllers, the timer and the routes', () => {
    using m = machine(assemble(HLT), whole)
    m.vm.setIrqchip('pic-master', { imr: 0xfb, irq_base: 0x20, elcr: 0 })
    m.vm.setIrqchip('ioapic', { redirtbl: Array.from({ length: 24 }, (_, pin) => 0x1_0000n | BigInt(pin + 0x30)) })
    m.vm.setPit2({ channels: [{ count: 1000, mode: 2, rw_mode: 3 }, {}, {}] })
    m.vm.gsiRoutes.set(1030, { type: 'msi', address: 0xfee0_0000, data: 0x41 })
    using copy = continued(m, whole)
    expect(copy.vm.getIrqchip('pic-master')).toMatchObject({ imr: 0xfb, irq_base: 0x20 })
    expect(copy.vm.getIrqchip('ioapic').redirtbl[5]).toBe(0x1_0035n)
    expect(copy.vm.getPit2().channels[0]).toMatchObject({ count: 1000, mode: 2, rw_mode: 3 })
    expect([...copy.vm.gsiRoutes]).toEqual([...m.vm.gsiRoutes])
  })

  test('vCPUs in any order are matched by their numbers', () => {
    using m = machine(assemble(HLT), whole)
    m.vm.createVcpu(2)
    m.vm.createVcpu(1).setRegs({ rbx: 11n })
    using copy = machine(assemble(HLT), whole)
    const [first] = [copy.vm.createVcpu(1), copy.vm.createVcpu(2)]
    restoreVm(copy.vm, saveVm(m.kvm, m.vm))
    expect(first.getRegs().rbx).toBe(11n)
  })

  test('one vCPU by itself', () => {
    using m = machine(assemble(INC_AX, HLT, INC_AX, HLT), { cpuid: true })
    runTo(m.vcpu, 'hlt')
    const state = throughJson(saveVcpu(m.kvm, m.vcpu))
    runTo(m.vcpu, 'hlt')
    expect(m.vcpu.getRegs().rax).toBe(2n)
    restoreVcpu(m.vcpu, state)
    expect(m.vcpu.getRegs().rax).toBe(1n)
    runTo(m.vcpu, 'hlt')
    expect(m.vcpu.getRegs().rax).toBe(2n)
  })
})

describe('what a vCPU is doing', () => {
  test.each<MpState>(['runnable', 'halted', 'uninitialized', 'init-received'])('%s', (state) => {
    using m = machine(assemble(HLT), whole)
    const second = m.vm.createVcpu(1)
    second.setMpState(state)
    using copy = continued(m, whole)
    expect(copy.vm.vcpus[1]?.getMpState()).toBe(state)
  })

  test('one that has halted is woken by an interrupt that was pending', () => {
    const handler = 0x1100
    using m = machine(assemble(PROGRAM_PIC, STI, HLT, outAl(0x80), SPIN), whole)
    m.vm.memory.write(handler, assemble(outAl(0x21), END_OF_INTERRUPT, IRET))
    m.vm.memory.writeUint32(0x20 * 4, handler)
    m.vcpu.run({ deadline: performance.now() + 500 })
    expect(m.vcpu.getMpState()).toBe('halted')
    m.vm.irqLine(0, true)
    using copy = continued(m, whole)
    expect(copy.vcpu.getMpState()).toBe('halted')
    expect([runTo(copy.vcpu, 'io').port]).toEqual([0x80])
  })

  test('an access whose answer was just given is completed first', () => {
    using m = machine(assemble(movDx(0x10), inDx(1), outAl(0x11), HLT))
    const exit = runTo(m.vcpu, 'io')
    exit.data[0] = 0x5a
    using copy = continued(m)
    expect(copy.vcpu.getRegs().rax & 0xffn).toBe(0x5an)
    expect(runTo(copy.vcpu, 'io')).toMatchObject({ port: 0x11, direction: 'out', data: Uint8Array.of(0x5a) })
    // And it goes on where it was saved, too.
    expect(runTo(m.vcpu, 'io')).toMatchObject({ port: 0x11, data: Uint8Array.of(0x5a) })
  })

  test('an access that takes several exits cannot be saved in between', () => {
    using m = machine(assemble(movEs(0x2000), load(4, 0xffe), HLT))
    runTo(m.vcpu, 'mmio').data.set([1, 2])
    expectRefusal(() => saveVm(m.kvm, m.vm), 'ERR_KVM_ACCESS_PENDING')
  })
})

describe('time', () => {
  test('the clock goes on from where it stood', async () => {
    using m = machine(assemble(HLT), whole)
    const { clock } = saveVm(m.kvm, m.vm)
    await setTimeout(PAUSE)
    using copy = blankLike(m, whole)
    restoreVm(copy.vm, { ...saveVm(m.kvm, m.vm), clock })
    const passed = copy.vm.getClock().clock - BigInt(clock.clock)
    expect(passed).toBeGreaterThan(0n)
    expect(passed).toBeLessThan(BigInt(PAUSE * 1e6))
  })

  // kvm_pvm lets nobody set a time stamp counter.
  test.skipIf(kind === 'pvm')(
    'time stamp counters go on from where they stood, as far apart as they were',
    async () => {
      using m = machine(assemble(HLT), whole)
      m.vm.createVcpu(1).setMsrs([[0x10, 2n ** 50n]])
      const state = saveVm(m.kvm, m.vm)
      await setTimeout(PAUSE)
      using copy = blankLike(m, whole)
      restoreVm(copy.vm, state)
      const after = saveVm(copy.kvm, copy.vm)
      const [first = 0n, second = 0n] = after.vcpus.map(
        ({ tsc }, at) => BigInt(tsc) - BigInt(state.vcpus[at]?.tsc ?? 0),
      )
      expect(first).toBeGreaterThan(0n)
      expect(first).toBeLessThan(BigInt(m.vcpu.getTscKhz() * PAUSE))
      expect(second).toBe(first)
    },
  )
})
