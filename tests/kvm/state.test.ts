import { type CpuidEntry, type Fpu, Kvm, type Regs } from 'node-kvm'
import { describe, expect, test } from 'vitest'

import { expectRefusal, NOT_OBJECTS, NOT_UINT64S, NOT_WHOLE_NUMBERS } from '../thrown.js'
import { assemble, CPUID, HLT, INC_AX, movEax, movEcx, outAl, RDMSR, SPIN, WRMSR } from './guests.js'
import { longModeMachine, machine, run, runTo, START } from './machine.js'

const halted = assemble(HLT)
const TOP = 2n ** 64n - 1n

describe('general registers', () => {
  test('every one keeps the value that it was given', () => {
    using m = longModeMachine(halted)
    const names = Object.keys(m.vcpu.getRegs()).filter((name) => !['rip', 'rflags'].includes(name)) as (keyof Regs)[]
    expect(names).toHaveLength(16)
    const values = Object.fromEntries(names.map((name, index) => [name, TOP - BigInt(index)]))
    m.vcpu.setRegs(values)
    expect(m.vcpu.getRegs()).toMatchObject(values)
    runTo(m.vcpu, 'hlt')
    expect(m.vcpu.getRegs()).toMatchObject({ ...values, rip: BigInt(START + 1) })
  })

  test('what is left out stays', () => {
    using m = machine(halted)
    m.vcpu.setRegs({ rbx: 5n })
    const before = m.vcpu.getRegs()
    m.vcpu.setRegs({ rcx: 6n })
    m.vcpu.setRegs({})
    expect(m.vcpu.getRegs()).toEqual({ ...before, rcx: 6n })
  })

  test('a wrong one sets none', () => {
    using m = machine(halted)
    const before = m.vcpu.getRegs()
    for (const value of NOT_UINT64S) {
      expectRefusal(() => m.vcpu.setRegs({ rax: 1n, r15: value } as never), 'ERR_KVM_INVALID_ARGUMENT', /r15/)
    }
    expectRefusal(() => m.vcpu.setRegs({ rax: 1n, eax: 1n } as never), 'ERR_KVM_INVALID_ARGUMENT', /eax/)
    for (const value of NOT_OBJECTS) expectRefusal(() => m.vcpu.setRegs(value as never), 'ERR_KVM_INVALID_ARGUMENT')
    expect(m.vcpu.getRegs()).toEqual(before)
  })
})

describe('registers out of the run page are those of the vCPU', () => {
  test('get after run, get after set, set then run then get', () => {
    using m = machine(assemble(INC_AX, outAl(1), INC_AX, outAl(2), INC_AX, HLT))
    const rax = () => m.vcpu.getRegs().rax
    expect(rax()).toBe(0n)
    run(m.vcpu)
    expect([rax(), rax()]).toEqual([1n, 1n])
    m.vcpu.setRegs({ rax: 10n })
    expect(rax()).toBe(10n)
    run(m.vcpu)
    expect(rax()).toBe(11n)
    m.vcpu.setRegs({ rax: 20n })
    run(m.vcpu)
    expect(rax()).toBe(21n)
  })

  test('a register that was never read before is right after the run', () => {
    using m = machine(assemble(INC_AX, outAl(1), INC_AX, HLT))
    run(m.vcpu)
    expect([m.vcpu.getRegs().rax, m.vcpu.getSregs().cs.base, m.vcpu.getVcpuEvents().nmi.pending]).toEqual([1n, 0n, 0])
    run(m.vcpu)
    expect([m.vcpu.getRegs().rax, m.vcpu.getSregs().cs.base, m.vcpu.getVcpuEvents().nmi.pending]).toEqual([2n, 0n, 0])
  })

  test('an object that was given out does not change later, and changing it changes nothing', () => {
    using m = machine(assemble(INC_AX, HLT, INC_AX, HLT))
    m.vcpu.getRegs()
    m.vcpu.getSregs()
    run(m.vcpu)
    const [regs, sregs] = [m.vcpu.getRegs(), m.vcpu.getSregs()]
    regs.rbx = 99n
    sregs.cs.selector = 99
    run(m.vcpu)
    expect([regs.rax, m.vcpu.getRegs().rbx, m.vcpu.getSregs().cs.selector]).toEqual([1n, 0n, 0])
  })

  test('special registers set are special registers read', () => {
    using m = machine(assemble(HLT, HLT, HLT))
    m.vcpu.getSregs()
    run(m.vcpu)
    m.vcpu.setSregs({ es: { base: 0x1230n, selector: 0x123 } })
    expect(m.vcpu.getSregs().es).toMatchObject({ base: 0x1230n, selector: 0x123 })
    run(m.vcpu)
    expect(m.vcpu.getSregs().es).toMatchObject({ base: 0x1230n, selector: 0x123 })
    m.vcpu.setMsrs([[0xc000_0080, 0x100n]]) // EFER.LME, which is also in the special registers
    expect(m.vcpu.getSregs().efer).toBe(0x100n)
  })

  test('two vCPUs do not see each other', () => {
    using m = machine(assemble(INC_AX, HLT, HLT))
    using second = m.vm.createVcpu(1)
    second.setRegs({ rax: 7n })
    run(m.vcpu)
    expect([m.vcpu.getRegs().rax, second.getRegs().rax]).toEqual([1n, 7n])
  })

  test('a kick and a deadline leave the right ones, too', () => {
    using m = machine(assemble(INC_AX, outAl(1), HLT))
    m.vcpu.getRegs()
    run(m.vcpu)
    m.vcpu.kick()
    m.vcpu.run()
    expect(m.vcpu.getRegs()).toMatchObject({ rax: 1n, rip: BigInt(START + 3) })
    m.vcpu.setRegs({ rax: 5n })
    m.vcpu.kick()
    m.vcpu.run()
    expect(m.vcpu.getRegs().rax).toBe(5n)
  })
})

describe('special registers', () => {
  test('what is left out stays, inside segments as well', () => {
    using m = machine(halted)
    const before = m.vcpu.getSregs()
    m.vcpu.setSregs({ ds: { base: 0x50n }, gdt: { limit: 0x17 } })
    const after = m.vcpu.getSregs()
    expect(after).toEqual({ ...before, ds: { ...before.ds, base: 0x50n }, gdt: { ...before.gdt, limit: 0x17 } })
    m.vcpu.setSregs(after)
    expect(m.vcpu.getSregs()).toEqual(after)
  })

  test('what the kernel refuses has its ioctl, and nothing has changed', () => {
    using m = machine(halted)
    const before = m.vcpu.getSregs()
    const error = expectRefusal(() => m.vcpu.setSregs({ cr0: 0x8000_0000n }), 'ERR_KVM_IOCTL', /contradict/)
    expect(error).toMatchObject({ ioctl: 'KVM_SET_SREGS', errno: 22 })
    expect(m.vcpu.getSregs()).toEqual(before)
  })

  test('wrong values', () => {
    using m = machine(halted)
    const wrong = [
      { cr9: 0n },
      { cs: { base: 0 } },
      { cs: { limit: 2 ** 32 } },
      { cs: { selector: 0x1_0000 } },
      { cs: { dpl: -1 } },
      { cs: null },
      { gdt: { limit: 0x1_0000 } },
      { interrupt_bitmap: [] },
      { efer: 2n ** 64n },
    ]
    for (const patch of wrong) expectRefusal(() => m.vcpu.setSregs(patch as never), 'ERR_KVM_INVALID_ARGUMENT')
  })
})

describe('x87 and SSE state', () => {
  test('comes back as it was set', () => {
    using m = machine(halted)
    const bytes = (length: number, seed: number) => Uint8Array.from({ length }, (_, index) => (index * seed) % 256)
    // An x87 register has 10 bytes; the 6 after them are not kept.
    const fpr = bytes(128, 3).map((byte, index) => (index % 16 < 10 ? byte : 0))
    const fpu: Fpu = { ...m.vcpu.getFpu(), fpr, xmm: bytes(256, 7), fcw: 0x37f, fsw: 0x3800, ftwx: 0x80 }
    m.vcpu.setFpu(fpu)
    expect(m.vcpu.getFpu()).toEqual(fpu)
    m.vcpu.setFpu({ fcw: 0x27f })
    expect(m.vcpu.getFpu()).toEqual({ ...fpu, fcw: 0x27f })
  })

  test('wrong values', () => {
    using m = machine(halted)
    for (const patch of [
      { fpr: new Uint8Array(127) },
      { xmm: new Uint8Array(257) },
      { fcw: 0x1_0000 },
      { mxcsr: -1 },
      { st0: 1 },
    ]) {
      expectRefusal(() => m.vcpu.setFpu(patch), 'ERR_KVM_INVALID_ARGUMENT')
    }
  })
})

describe('MSRs', () => {
  const [SYSENTER_ESP, SYSENTER_EIP, EFER, LSTAR] = [0x175, 0x176, 0xc000_0080, 0xc000_0082]

  test('values go in and come out by index', () => {
    using m = machine(halted)
    // Not SYSENTER_EIP: on AMD-V it has 32 bits unless the vCPU's CPUID says Intel.
    m.vcpu.setMsrs(new Map([[SYSENTER_ESP, 0x1234n]]))
    m.vcpu.setMsrs([[LSTAR, 0xffff_8000_0000_0000n]])
    expect(m.vcpu.getMsrs([LSTAR, SYSENTER_ESP])).toEqual(
      new Map([
        [LSTAR, 0xffff_8000_0000_0000n],
        [SYSENTER_ESP, 0x1234n],
      ]),
    )
    expect(m.vcpu.getMsrs([])).toEqual(new Map())
    m.vcpu.setMsrs([])
  })

  test.each([1, 255, 256, 257, 511, 1000])('%i in one call', (count) => {
    using m = machine(halted)
    // The last one written counts, whichever call of the kernel it was in.
    m.vcpu.setMsrs(Array.from({ length: count }, (_, index) => [SYSENTER_ESP, BigInt(index)] as const))
    expect(m.vcpu.getMsrs(new Array<number>(count).fill(SYSENTER_ESP))).toEqual(
      new Map([[SYSENTER_ESP, BigInt(count - 1)]]),
    )
  })

  test.each([0, 1, 254, 255, 300])('a refused one is named, with %i good ones before it', (before) => {
    using m = machine(halted)
    const indices = [...new Array<number>(before).fill(SYSENTER_ESP), 0xdead_beef, SYSENTER_EIP]
    const read = expectRefusal(() => m.vcpu.getMsrs(indices), 'ERR_KVM_MSR', /0xdeadbeef be read/)
    expect(read.operands).toMatchObject({ index: 0xdead_beef })
    const write = expectRefusal(
      () => m.vcpu.setMsrs(indices.map((index) => [index, 9n] as const)),
      'ERR_KVM_MSR',
      /0xdeadbeef be set to 0x9/,
    )
    expect(write.operands).toEqual({ vcpu: 0, index: 0xdead_beef, data: 9n })
    expect(m.vcpu.getMsrs([SYSENTER_ESP, SYSENTER_EIP]).get(SYSENTER_EIP)).toBe(0n)
    expect(m.vcpu.getMsrs([SYSENTER_ESP]).get(SYSENTER_ESP)).toBe(before === 0 ? 0n : 9n)
  })

  test('a value that the kernel does not take for one that it knows', () => {
    using m = machine(halted)
    expectRefusal(() => m.vcpu.setMsrs([[EFER, TOP]]), 'ERR_KVM_MSR', /0xc0000080 \(IA32_EFER\)/)
    expect(m.vcpu.getMsrs([EFER]).get(EFER)).toBe(0n)
  })

  test('the guest sees what was set, and the host what the guest wrote', () => {
    using m = machine(assemble(movEcx(SYSENTER_ESP), RDMSR, movEcx(SYSENTER_EIP), WRMSR, HLT))
    m.vcpu.setMsrs([[SYSENTER_ESP, 0x1122_3344n]])
    runTo(m.vcpu, 'hlt')
    expect(m.vcpu.getMsrs([SYSENTER_EIP]).get(SYSENTER_EIP)).toBe(0x1122_3344n)
  })

  test('the whole list of the host can be read', () => {
    using m = machine(halted, { cpuid: true })
    // Not each of them exists for each CPUID; those that do not are refused, by name.
    const list = m.kvm.getMsrIndexList()
    const readable = list.filter((index) => {
      try {
        return m.vcpu.getMsrs([index]).has(index)
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_KVM_MSR', operands: { index } })
        return false
      }
    })
    expect(m.vcpu.getMsrs(readable).size).toBe(readable.length)
    expect(readable.length).toBeGreaterThan(10)
  })

  test('wrong arguments, and nothing is set', () => {
    using m = machine(halted)
    const lists = [null, undefined, 1, 'ab', {}, true]
    for (const list of lists) {
      expectRefusal(() => m.vcpu.getMsrs(list as never), 'ERR_KVM_INVALID_ARGUMENT', /indices/)
      expectRefusal(() => m.vcpu.setMsrs(list as never), 'ERR_KVM_INVALID_ARGUMENT', /values/)
    }
    for (const index of [2 ** 32, ...NOT_WHOLE_NUMBERS]) {
      expectRefusal(() => m.vcpu.getMsrs([SYSENTER_ESP, index as never]), 'ERR_KVM_INVALID_ARGUMENT', /MSR index/)
      expectRefusal(
        () =>
          m.vcpu.setMsrs([
            [SYSENTER_ESP, 1n],
            [index as never, 1n],
          ]),
        'ERR_KVM_INVALID_ARGUMENT',
        /MSR index/,
      )
    }
    for (const value of NOT_UINT64S) {
      expectRefusal(() => m.vcpu.setMsrs([[SYSENTER_ESP, value as never]]), 'ERR_KVM_INVALID_ARGUMENT', /MSR value/)
    }
    for (const pair of [1, null, {}, 'ab', [SYSENTER_ESP]]) {
      expectRefusal(() => m.vcpu.setMsrs([pair] as never), 'ERR_KVM_INVALID_ARGUMENT')
    }
    expect(m.vcpu.getMsrs([SYSENTER_ESP]).get(SYSENTER_ESP)).toBe(0n)
  })
})

describe('CPUID', () => {
  const byLeaf = (entries: CpuidEntry[]) => new Map(entries.map((entry) => [`${entry.function}.${entry.index}`, entry]))

  test('a new vCPU has none; what is set comes back', () => {
    using m = machine(halted)
    expect(m.vcpu.getCpuid2()).toEqual([])
    const entries = m.kvm.getSupportedCpuid()
    m.vcpu.setCpuid2(entries)
    const read = byLeaf(m.vcpu.getCpuid2())
    expect([...read.keys()]).toEqual([...byLeaf(entries).keys()])
    expect(read.get('0.0')).toEqual(byLeaf(entries).get('0.0'))
  })

  test('the guest gets what was set', () => {
    using m = machine(assemble(movEax(0x4000_0000), CPUID, HLT))
    m.vcpu.setCpuid2([
      { function: 0x4000_0000, index: 0, flags: 0, eax: 0x4000_0001, ebx: 0x1111, ecx: 0xffff_ffff, edx: 0x3333 },
    ])
    runTo(m.vcpu, 'hlt')
    expect(m.vcpu.getRegs()).toMatchObject({ rax: 0x4000_0001n, rbx: 0x1111n, rcx: 0xffff_ffffn, rdx: 0x3333n })
  })

  test('after the first run another CPUID is refused, in words', () => {
    using m = machine(halted, { cpuid: true })
    runTo(m.vcpu, 'hlt')
    const entries = m.vcpu.getCpuid2()
    const other = entries.map((entry) => (entry.function === 0 ? { ...entry, ebx: 1 } : entry))
    const error = expectRefusal(() => m.vcpu.setCpuid2(other), 'ERR_KVM_IOCTL', /has run already/)
    expect(error).toMatchObject({ ioctl: 'KVM_SET_CPUID2', errno: 22, operands: { entries: entries.length } })
  })

  test('wrong arguments', () => {
    using m = machine(halted)
    const entry = { function: 0, index: 0, flags: 0, eax: 0, ebx: 0, ecx: 0, edx: 0 }
    for (const list of [null, undefined, {}, 'x', new Set([entry])]) {
      expectRefusal(() => m.vcpu.setCpuid2(list as never), 'ERR_KVM_INVALID_ARGUMENT', /entries/)
    }
    for (const wrong of [
      { ...entry, eax: -1 },
      { ...entry, eax: 2 ** 32 },
      { ...entry, eax: 0n },
      { ...entry, leaf: 1 },
      null,
      7,
    ]) {
      expectRefusal(() => m.vcpu.setCpuid2([entry, wrong] as never), 'ERR_KVM_INVALID_ARGUMENT')
    }
    expectRefusal(
      () => m.vcpu.setCpuid2(new Array<CpuidEntry>(10_000).fill(entry)),
      'ERR_KVM_IOCTL',
      /takes no list that long/,
    )
    expect(m.vcpu.getCpuid2()).toEqual([])
  })
})

describe('debug registers', () => {
  test('come back as they were set, and what is left out stays', () => {
    using m = machine(halted)
    m.vcpu.setDebugregs({ db: [1n, 2n, 3n, 4n] })
    m.vcpu.setDebugregs({ dr6: 0xffff_0ff1n })
    expect(m.vcpu.getDebugregs()).toMatchObject({ db: [1n, 2n, 3n, 4n], dr6: 0xffff_0ff1n, dr7: 0x400n })
  })

  test('wrong values', () => {
    using m = machine(halted)
    for (const patch of [{ db: [1n] }, { db: [1, 2, 3, 4] }, { dr6: 1 }, { dr8: 0n }]) {
      expectRefusal(() => m.vcpu.setDebugregs(patch as never), 'ERR_KVM_INVALID_ARGUMENT')
    }
    expectRefusal(() => m.vcpu.setDebugregs({ dr7: TOP }), 'ERR_KVM_IOCTL', /KVM_SET_DEBUGREGS/)
  })
})

describe('events', () => {
  test('nothing is in flight at first; a pending NMI can be put there', () => {
    using m = machine(halted)
    const quiet = m.vcpu.getVcpuEvents()
    expect(quiet).toMatchObject({
      exception: { injected: 0 },
      interrupt: { injected: 0 },
      nmi: { injected: 0, pending: 0, masked: 0 },
    })
    m.vcpu.setVcpuEvents({ nmi: { masked: 1 } })
    expect(m.vcpu.getVcpuEvents().nmi.masked).toBe(1)
    m.vcpu.setVcpuEvents(quiet)
    expect(m.vcpu.getVcpuEvents()).toEqual(quiet)
  })

  test('an injected exception reaches the handler', () => {
    using m = machine(halted)
    m.vm.memory.write(0x3000, assemble(outAl(0x66), HLT))
    m.vm.memory.writeUint32(6 * 4, 0x3000) // real-mode vector 6, #UD, at 0:0x3000
    m.vcpu.setVcpuEvents({ exception: { injected: 1, nr: 6 } })
    expect(runTo(m.vcpu, 'io')).toMatchObject({ port: 0x66 })
  })

  test('wrong values', () => {
    using m = machine(halted)
    for (const patch of [{ nmi: { masked: 256 } }, { nmi: 1 }, { nim: {} }, { flags: -1 }, { exception_payload: 1 }]) {
      expectRefusal(() => m.vcpu.setVcpuEvents(patch as never), 'ERR_KVM_INVALID_ARGUMENT')
    }
  })
})

describe('local APIC and multiprocessing state', () => {
  test('registers come back as they were set', () => {
    using m = machine(halted, { irqchip: true })
    const lapic = m.vcpu.getLapic()
    expect(lapic).toHaveLength(0x400)
    lapic[0x80] = 0x30 // task priority
    m.vcpu.setLapic(lapic)
    expect(m.vcpu.getLapic()[0x80]).toBe(0x30)
    expect(m.vcpu.getSregs().cr8).toBe(3n)
    // A part of a larger buffer, and shared memory.
    const wide = new Uint8Array(0x500)
    wide.set(lapic, 0x80)
    m.vcpu.setLapic(wide.subarray(0x80, 0x480))
    const shared = new Uint8Array(new SharedArrayBuffer(0x400))
    shared.set(lapic)
    m.vcpu.setLapic(shared)
    lapic[0xa0] = 0x30 // the processor's priority follows
    expect(m.vcpu.getLapic()).toEqual(lapic)
  })

  test('a state without a name is one by its number, and the kernel decides', () => {
    using m = machine(halted, { irqchip: true })
    expectRefusal(() => m.vcpu.setMpState('unknown 99'), 'ERR_KVM_IOCTL', /KVM_SET_MP_STATE/)
    expectRefusal(() => m.vcpu.setMpState('unknown' as never), 'ERR_KVM_INVALID_ARGUMENT')
    expect(m.vcpu.getMpState()).toBe('runnable')
  })

  test('a buffer one byte short or long, or of another kind', () => {
    using m = machine(halted, { irqchip: true })
    for (const value of [
      new Uint8Array(0x3ff),
      new Uint8Array(0x401),
      new Uint16Array(0x200),
      Array(0x400).fill(0),
      null,
    ]) {
      expectRefusal(() => m.vcpu.setLapic(value as never), 'ERR_KVM_INVALID_ARGUMENT', /registers/)
    }
  })

  test('without an in-kernel irqchip there is none, and the error says what to call', () => {
    using m = machine(halted)
    expectRefusal(() => m.vcpu.getLapic(), 'ERR_KVM_IOCTL', /createIrqchip\(\) before createVcpu/)
    expectRefusal(() => m.vcpu.setLapic(new Uint8Array(0x400)), 'ERR_KVM_IOCTL', /createIrqchip\(\) before createVcpu/)
  })

  test('states by name', () => {
    using m = machine(halted, { irqchip: true })
    using second = m.vm.createVcpu(1)
    expect([m.vcpu.getMpState(), second.getMpState()]).toEqual(['runnable', 'uninitialized'])
    second.setMpState('runnable')
    m.vcpu.setMpState('halted')
    expect([m.vcpu.getMpState(), second.getMpState()]).toEqual(['halted', 'runnable'])
    for (const state of ['running', 'Runnable', '', 0, null]) {
      expectRefusal(() => m.vcpu.setMpState(state as never), 'ERR_KVM_INVALID_ARGUMENT', /'runnable'/)
    }
    expectRefusal(() => m.vcpu.setMpState('operating'), 'ERR_KVM_IOCTL', /KVM_SET_MP_STATE/) // s390's
  })
})

test('a vCPU of another VM has its own state from the start', () => {
  using kvm = Kvm.open()
  using one = kvm.createVm()
  using two = kvm.createVm()
  using a = one.createVcpu(0)
  using b = two.createVcpu(0)
  a.setRegs({ rax: 1n })
  expect([a.getRegs().rax, b.getRegs().rax]).toEqual([1n, 0n])
})

describe('kvmclock', () => {
  const SYSTEM_TIME_MSR = 0x4b56_4d01
  const TIME = 0x3000
  // struct pvclock_vcpu_time_info: `flags`, of which bit 1 is PVCLOCK_GUEST_STOPPED.
  const FLAGS = TIME + 29
  const GUEST_STOPPED = 0x2

  test('a guest that has one is told that it was stopped', () => {
    using m = machine(assemble(outAl(1), outAl(2), HLT))
    m.vcpu.setMsrs([[SYSTEM_TIME_MSR, BigInt(TIME | 1)]])
    run(m.vcpu)
    expect(m.vm.memory.readUint8(FLAGS) & GUEST_STOPPED).toBe(0)
    expect(m.vcpu.kvmclockCtrl()).toBe(true)
    run(m.vcpu)
    expect(m.vm.memory.readUint8(FLAGS) & GUEST_STOPPED).toBe(GUEST_STOPPED)
  })

  test('one that has none is not, and a closed vCPU cannot be asked', () => {
    using m = machine(halted)
    expect(m.vcpu.kvmclockCtrl()).toBe(false)
    m.vcpu.close()
    expectRefusal(() => m.vcpu.kvmclockCtrl(), 'ERR_KVM_CLOSED')
  })

  test('not while the vCPU runs on its thread', async () => {
    using m = machine(assemble(SPIN))
    const ended = m.vcpu.start(() => undefined)
    expectRefusal(() => m.vcpu.kvmclockCtrl(), 'ERR_KVM_RUNNING')
    await m.vcpu.pause()
    expect(m.vcpu.kvmclockCtrl()).toBe(false)
    await m.vcpu.stop()
    await ended
  })
})
