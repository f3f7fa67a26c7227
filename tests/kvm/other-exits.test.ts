import { describeExit } from 'node-kvm'
import { describe, expect, test } from 'vitest'

import { expectRefusal, NOT_OBJECTS, NOT_UINT64S } from '../thrown.js'
import { assemble, FWAIT, HLT, INC_AX, INT3, movAl, movEs, NOP, outAl, SPIN, storeByte, UD2 } from './guests.js'
import { inLab, kind, longModeMachine, machine, run, runTo, START } from './machine.js'

describe('hlt', () => {
  test('without a local APIC in the kernel it is an exit, and the guest goes on after it', () => {
    using m = machine(assemble(HLT, INC_AX, HLT))
    expect(run(m.vcpu)).toEqual({ reason: 'hlt' })
    expect(m.vcpu.getRegs()).toMatchObject({ rip: BigInt(START + 1), rax: 0n })
    expect(run(m.vcpu)).toEqual({ reason: 'hlt' })
    expect(m.vcpu.getRegs().rax).toBe(1n)
  })
})

describe('shutdown', () => {
  test('an exception without a table to handle it', () => {
    using m = longModeMachine(assemble(UD2))
    m.vcpu.setSregs({ idt: { base: 0n, limit: 0 } })
    expect(run(m.vcpu)).toEqual({ reason: 'shutdown' })
    expect(describeExit({ reason: 'shutdown' })).toBe('shutdown')
  })

  test('the vCPU can be set up again and runs on', () => {
    using m = longModeMachine(assemble(UD2, movAl(5), HLT))
    m.vcpu.setSregs({ idt: { base: 0n, limit: 0 } })
    const before = { regs: m.vcpu.getRegs(), sregs: m.vcpu.getSregs() }
    runTo(m.vcpu, 'shutdown')
    m.vcpu.setSregs(before.sregs)
    m.vcpu.setRegs({ ...before.regs, rip: BigInt(START + UD2.length) })
    runTo(m.vcpu, 'hlt')
    expect(m.vcpu.getRegs().rax & 0xffn).toBe(5n)
  })
})

describe('debug', () => {
  const code = assemble(NOP, movAl(1), INC_AX, outAl(0x10), HLT)

  test('single steps stop after every instruction', () => {
    using m = machine(code)
    m.vcpu.setGuestDebug({ enable: true, singleStep: true })
    for (const pc of [START + 1, START + 3, START + 4]) {
      const exit = runTo(m.vcpu, 'debug')
      expect(exit).toMatchObject({ exception: 1, pc: BigInt(pc) })
      expect(exit.dr6 & 0x4000n).toBe(0x4000n) // BS: by a single step
      expect(m.vcpu.getRegs().rip).toBe(BigInt(pc))
    }
    runTo(m.vcpu, 'io')
    // Completing the access is a step, too, where KVM and not the processor makes the last of it.
    while (run(m.vcpu).reason !== 'debug');
    m.vcpu.setGuestDebug({ enable: false, singleStep: true })
    runTo(m.vcpu, 'hlt')
  })

  // QEMU's SVM gives its guests neither: docs/lab.md.
  test.skipIf(inLab)('a hardware breakpoint stops before its instruction', () => {
    using m = machine(code)
    const at = BigInt(START + 3)
    m.vcpu.setGuestDebug({ enable: true, useHwBp: true, debugreg: [0n, at, 0n, 0n, 0n, 0n, 0n, 0b100n] })
    const exit = runTo(m.vcpu, 'debug')
    expect(exit).toMatchObject({ exception: 1, pc: at })
    expect(exit.dr6 & 0xfn).toBe(0b10n) // B1: by DR1
    expect(m.vcpu.getRegs()).toMatchObject({ rip: at, rax: 1n })
    m.vcpu.setGuestDebug({ enable: false })
    runTo(m.vcpu, 'io')
  })

  test.runIf(kind !== 'pvm' && !inLab)(
    'a breakpoint instruction, where the processor and not an emulator executes it',
    () => {
      using m = machine(assemble(NOP, INT3, HLT))
      m.vcpu.setGuestDebug({ enable: true, useSwBp: true })
      expect(runTo(m.vcpu, 'debug')).toMatchObject({ exception: 3, pc: BigInt(START + 1) })
    },
  )

  test('wrong options', () => {
    using m = machine(code)
    for (const value of NOT_OBJECTS)
      expectRefusal(() => m.vcpu.setGuestDebug(value as never), 'ERR_KVM_INVALID_ARGUMENT')
    const eight = new Array<unknown>(8).fill(0n)
    const wrong = [
      { singlestep: true },
      { enable: 1 },
      { singleStep: 'yes' },
      { debugreg: [] },
      { debugreg: eight.slice(1) },
      { debugreg: [...eight, 0n] },
      { debugreg: BigUint64Array.of(0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n) },
      { debugreg: new Array(8) },
      ...NOT_UINT64S.map((value) => ({ debugreg: eight.with(7, value) })),
    ]
    for (const option of wrong) {
      expectRefusal(() => m.vcpu.setGuestDebug({ enable: true, ...option } as never), 'ERR_KVM_INVALID_ARGUMENT')
    }
  })
})

describe('internal-error', () => {
  test.runIf(kind === 'pvm')('an instruction that the emulator lacks is in the exit, byte by byte', () => {
    using m = machine(assemble(NOP, FWAIT, HLT))
    const exit = runTo(m.vcpu, 'internal-error')
    expect(exit).toMatchObject({ suberror: 1, suberrorName: 'emulation', emulationFlags: 1n })
    expect([...exit.instruction!.subarray(0, 2)]).toEqual([...FWAIT, ...HLT])
    expect(exit.instruction!.length).toBeLessThanOrEqual(15)
    expect(m.vcpu.getRegs().rip).toBe(BigInt(START + 1))
    expect(describeExit(exit)).toMatch(/^internal-error suberror 1 suberrorName emulation .* instruction \[9b f4 /)
  })

  test('an SSE instruction on memory that is not there: no KVM emulates that', () => {
    // addps xmm0, es:[0] with es at 0x20000
    using m = machine(assemble(movEs(0x2000), [0x26, 0x0f, 0x58, 0x06, 0x00, 0x00], HLT), { cpuid: true })
    m.vcpu.setSregs({ cr0: 0x30n, cr4: 0x200n }) // no emulation of the unit, OSFXSR
    const exit = runTo(m.vcpu, 'internal-error')
    expect(exit).toMatchObject({ suberror: 1, suberrorName: 'emulation' })
    expect(exit.data.length).toBeGreaterThan(0)
    expect([...exit.instruction!.subarray(0, 6)]).toEqual([0x26, 0x0f, 0x58, 0x06, 0x00, 0x00])
  })

  test('it happens again when nothing is changed, and the guest can be led past it', () => {
    using m = machine(assemble(movEs(0x2000), [0x26, 0x0f, 0x58, 0x06, 0x00, 0x00], HLT), { cpuid: true })
    m.vcpu.setSregs({ cr0: 0x30n, cr4: 0x200n })
    for (let time = 0; time < 3; time++) runTo(m.vcpu, 'internal-error')
    m.vcpu.setRegs({ rip: m.vcpu.getRegs().rip + 6n })
    runTo(m.vcpu, 'hlt')
  })

  test('code where there is no memory', () => {
    using m = machine(assemble([0xea, 0, 0, 0, 0x20])) // jmp 0x2000:0
    const exit = run(m.vcpu)
    expect(['internal-error', 'shutdown', 'mmio']).toContain(exit.reason)
    expect(m.vcpu.getSregs().cs.base).toBe(0x2_0000n)
  })
})

test('writing to a read-only page in the middle of code does not confuse the next exit', () => {
  using m = machine(assemble(movEs(0x2000), storeByte(0, 1), movAl(2), outAl(0x10), SPIN))
  m.vm.addMemory({ at: 0x2_0000, size: 4096, readonly: true })
  runTo(m.vcpu, 'mmio')
  expect([...runTo(m.vcpu, 'io').data]).toEqual([2])
})
