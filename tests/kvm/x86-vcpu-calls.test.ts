// What a vCPU of x86_64 has besides its registers. What a host lacks it refuses, in words; nothing is passed over.
import { Kvm, type Vcpu } from 'node-kvm'
import {
  KVM_SREGS2_FLAGS_PDPTRS_VALID,
  KVM_VCPU_TSC_CTRL,
  KVM_VCPU_TSC_OFFSET,
  KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO,
  KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO_HVA,
} from 'node-kvm/uapi/x86'
import { describe, expect, test } from 'vitest'

import { expectRefusal, NOT_UINT64S, NOT_WHOLE_NUMBERS, thrownBy } from '../thrown.js'
import { assemble, decCxJnzBack, HLT, INC_AX, IRET, movCx, movEcx, movEax, NOP, outAl, STI } from './guests.js'
import { kind, longModeMachine, machine, run, runTo, START } from './machine.js'

const halted = assemble(HLT)
const hostHas = (capability: Parameters<Kvm['check']>[0]): boolean => {
  using kvm = Kvm.open()
  return kvm.check(capability) !== 0
}
/** After a refusal the vCPU runs as ever. */
const livesOn = (vcpu: Vcpu) => {
  runTo(vcpu, 'hlt')
}
/** Buffers that may change or vanish while the kernel uses them, or have another length than they say. */
const detached = (bytes: Uint8Array) => {
  structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] })
  return bytes
}

describe('the XSAVE area', () => {
  const [XMM0, XSTATE_BV, X87_AND_SSE] = [160, 512, 3]

  test('has what the floating-point state has, and sets it', () => {
    using m = machine(halted, { cpuid: true })
    const area = m.vcpu.getXsave()
    expect(area.length).toBe(Math.max(4096, m.vm.check('KVM_CAP_XSAVE2')))
    const xmm = Uint8Array.from({ length: 256 }, (_, index) => index)
    area.set(xmm, XMM0)
    area[XSTATE_BV] = X87_AND_SSE
    m.vcpu.setXsave(area)
    expect(m.vcpu.getFpu().xmm).toEqual(xmm)
    expect(m.vcpu.getXsave()).toEqual(area)
    livesOn(m.vcpu)
  })

  test('comes from a buffer that is shared or resizable as well', () => {
    using m = machine(halted, { cpuid: true })
    const area = m.vcpu.getXsave()
    area[XMM0] = 7
    area[XSTATE_BV] = X87_AND_SSE
    const shared = new Uint8Array(new SharedArrayBuffer(area.length))
    shared.set(area)
    m.vcpu.setXsave(shared)
    expect(m.vcpu.getFpu().xmm[0]).toBe(7)
    const Resizable = ArrayBuffer as unknown as new (length: number, options: { maxByteLength: number }) => ArrayBuffer
    const growing = new Uint8Array(new Resizable(area.length, { maxByteLength: area.length * 2 }), 0, area.length)
    growing.set(area)
    growing[XMM0] = 8
    m.vcpu.setXsave(growing)
    expect(m.vcpu.getFpu().xmm[0]).toBe(8)
  })

  test('of another length is refused, and state that no host has', () => {
    using m = machine(halted, { cpuid: true })
    const area = m.vcpu.getXsave()
    for (const wrong of [area.subarray(1), new Uint8Array(area.length + 1), new Uint8Array(0), [], null, area.buffer]) {
      expectRefusal(() => m.vcpu.setXsave(wrong as never), 'ERR_KVM_INVALID_ARGUMENT', /area/)
    }
    expectRefusal(() => m.vcpu.setXsave(detached(area.slice())), 'ERR_KVM_INVALID_ARGUMENT')
    const impossible = area.slice()
    impossible.fill(0xff, XSTATE_BV, XSTATE_BV + 8)
    const error = expectRefusal(() => m.vcpu.setXsave(impossible), 'ERR_KVM_IOCTL', /KVM_SET_XSAVE.*does not have/)
    expect(error).toMatchObject({ errno: 22, ioctl: 'KVM_SET_XSAVE', operands: { vcpu: 0 } })
    expect(m.vcpu.getXsave()).toEqual(area)
    livesOn(m.vcpu)
  })
})

describe('extended control registers', () => {
  test('XCR0 is read and set', () => {
    using m = machine(halted, { cpuid: true })
    expect(m.vcpu.getXcrs()).toEqual(new Map([[0, 1n]]))
    m.vcpu.setXcrs([[0, 3n]])
    expect(m.vcpu.getXcrs()).toEqual(new Map([[0, 3n]]))
    m.vcpu.setXcrs([])
    expect(m.vcpu.getXcrs()).toEqual(new Map([[0, 3n]]))
  })

  test('what is wrong is refused', () => {
    using m = machine(halted, { cpuid: true })
    const error = expectRefusal(() => m.vcpu.setXcrs([[0, 0n]]), 'ERR_KVM_IOCTL', /XCR0/)
    expect(error).toMatchObject({ errno: 22, operands: { vcpu: 0 } })
    expectRefusal(() => m.vcpu.setXcrs(Array.from({ length: 17 }, () => [0, 1n] as const)), 'ERR_KVM_INVALID_ARGUMENT')
    for (const value of NOT_UINT64S) {
      expectRefusal(() => m.vcpu.setXcrs([[0, value as never]]), 'ERR_KVM_INVALID_ARGUMENT')
    }
    for (const list of [null, 1, [1], [null]]) {
      expectRefusal(() => m.vcpu.setXcrs(list as never), 'ERR_KVM_INVALID_ARGUMENT')
    }
    livesOn(m.vcpu)
  })
})

test('special registers, the second kind: what is left out stays', () => {
  using m = longModeMachine(halted)
  const { interrupt_bitmap: _, ...sregs } = m.vcpu.getSregs()
  const before = m.vcpu.getSregs2()
  expect(before).toMatchObject(sregs)
  m.vcpu.setSregs2({ cr2: 0x1234n, ds: { base: 0x50n } })
  expect(m.vcpu.getSregs2()).toEqual({ ...before, cr2: 0x1234n, ds: { ...before.ds, base: 0x50n } })
  expect(m.vcpu.getSregs().cr2).toBe(0x1234n)
  const paging = { flags: BigInt(KVM_SREGS2_FLAGS_PDPTRS_VALID), pdptrs: [1n, 2n, 3n, 4n] }
  expectRefusal(() => m.vcpu.setSregs2({ ...paging, flags: 2n ** 63n }), 'ERR_KVM_IOCTL', /KVM_SET_SREGS2/)
  expectRefusal(() => m.vcpu.setSregs2({ pdptrs: [1n] }), 'ERR_KVM_INVALID_ARGUMENT', /pdptrs/)
  livesOn(m.vcpu)
})

describe('interrupts from outside', () => {
  /** sti, then a handler at 0:0x3000 for that vector that writes to port 0x66. */
  const withHandler = (vector: number, options = {}) => {
    const m = machine(assemble(STI, NOP, INC_AX, outAl(0x10), HLT), options)
    m.vm.memory.write(0x3000, assemble(outAl(0x66), IRET))
    m.vm.memory.writeUint32(vector * 4, 0x3000)
    return m
  }

  test('nmi() reaches vector 2', () => {
    using m = withHandler(2)
    m.vcpu.nmi()
    expect(runTo(m.vcpu, 'io')).toMatchObject({ port: 0x66 })
    expect(runTo(m.vcpu, 'io')).toMatchObject({ port: 0x10 })
  })

  test('interrupt() reaches its vector, one at a time', () => {
    using m = withHandler(0x21)
    m.vcpu.setRegs({ rflags: 0x202n })
    m.vcpu.interrupt(0x21)
    expect(runTo(m.vcpu, 'io')).toMatchObject({ port: 0x66 })
    expect(runTo(m.vcpu, 'io')).toMatchObject({ port: 0x10 })
    for (const vector of [256, ...NOT_WHOLE_NUMBERS]) {
      expectRefusal(() => m.vcpu.interrupt(vector as never), 'ERR_KVM_INVALID_ARGUMENT', /vector/)
    }
    livesOn(m.vcpu)
  })

  test('a guest that takes no interrupts says when it does', () => {
    // The loop is for a host that emulates many instructions before it looks again.
    using m = machine(assemble(STI, movCx(0xffff), decCxJnzBack(0), outAl(0x10), HLT))
    m.vm.memory.write(0x3000, assemble(outAl(0x66), IRET))
    m.vm.memory.writeUint32(0x21 * 4, 0x3000)
    expect(m.vcpu.readyForInterrupt()).toBe(false)
    m.vcpu.requestInterruptWindow(true)
    runTo(m.vcpu, 'irq-window-open')
    expect(m.vcpu.readyForInterrupt()).toBe(true)
    m.vcpu.requestInterruptWindow(false)
    m.vcpu.interrupt(0x21)
    expect(runTo(m.vcpu, 'io')).toMatchObject({ port: 0x66 })
    expect(runTo(m.vcpu, 'io')).toMatchObject({ port: 0x10 })
    expectRefusal(() => m.vcpu.requestInterruptWindow(1 as never), 'ERR_KVM_INVALID_ARGUMENT', /wanted/)
  })

  test('interrupt() is refused where the kernel has the controller', () => {
    using m = machine(halted, { irqchip: true })
    const error = expectRefusal(() => m.vcpu.interrupt(32), 'ERR_KVM_IOCTL', /irqLine/)
    expect(error).toMatchObject({ ioctl: 'KVM_INTERRUPT', operands: { vcpu: 0, vector: 32 } })
  })

  test('smi() where the host has system management mode, else a refusal that says so', () => {
    using m = machine(halted, { irqchip: true })
    if (hostHas('KVM_CAP_X86_SMM')) {
      m.vcpu.smi()
      expect(m.vcpu.getVcpuEvents().smi.pending).toBe(1)
    } else expectRefusal(() => m.vcpu.smi(), 'ERR_KVM_IOCTL', /KVM_CAP_X86_SMM/)
  })

  test('the task priority is reported and shared only with a local APIC', () => {
    using m = machine(halted, { irqchip: true })
    m.vcpu.tprAccessReporting(true)
    m.vcpu.tprAccessReporting(false)
    m.vcpu.setVapicAddr(0x2000)
    expectRefusal(() => m.vcpu.tprAccessReporting(1 as never), 'ERR_KVM_INVALID_ARGUMENT', /enabled/)
    expectRefusal(() => m.vcpu.setVapicAddr(-1), 'ERR_KVM_INVALID_ARGUMENT', /address/)
    using bare = machine(halted)
    expectRefusal(() => bare.vcpu.setVapicAddr(0x2000), 'ERR_KVM_IOCTL', /createIrqchip/)
    livesOn(bare.vcpu)
  })
})

describe('translate()', () => {
  test('follows the page tables as they are', () => {
    using m = longModeMachine(halted)
    expect(m.vcpu.translate(BigInt(START))).toBe(START)
    expect(m.vcpu.translate(0x1_0000_1234n)).toBe(0x1_0000_1234)
    expect(m.vcpu.translate(0x80_0000_0000n)).toBeUndefined()
    livesOn(m.vcpu)
  })

  test('wrong addresses', () => {
    using m = machine(halted)
    for (const address of NOT_UINT64S) {
      expectRefusal(() => m.vcpu.translate(address as never), 'ERR_KVM_INVALID_ARGUMENT', /address/)
    }
  })
})

describe('the time stamp counter', () => {
  test('its speed is read, and set to what it is', () => {
    using m = machine(halted)
    const khz = m.vcpu.getTscKhz()
    expect(khz).toBeGreaterThan(100_000)
    m.vcpu.setTscKhz(khz)
    expect(m.vcpu.getTscKhz()).toBe(khz)
    if (!hostHas('KVM_CAP_TSC_CONTROL')) {
      const error = expectRefusal(() => m.vcpu.setTscKhz(1000), 'ERR_KVM_IOCTL', /KVM_CAP_TSC_CONTROL/)
      expect(error).toMatchObject({ errno: 22, operands: { khz: 1000 } })
    }
    for (const value of NOT_WHOLE_NUMBERS) {
      expectRefusal(() => m.vcpu.setTscKhz(value as never), 'ERR_KVM_INVALID_ARGUMENT', /khz/)
    }
  })

  test('its offset is an attribute of the vCPU', () => {
    using m = machine(halted)
    const offset = { group: KVM_VCPU_TSC_CTRL, attr: BigInt(KVM_VCPU_TSC_OFFSET) }
    expect(m.vcpu.hasDeviceAttr(offset)).toBe(true)
    const value = Uint8Array.of(0, 0x10, 0, 0, 0, 0, 0, 0)
    m.vcpu.setDeviceAttr(offset, value)
    // Guests of kvm_pvm see the host's counter, whatever was set.
    expect(m.vcpu.getDeviceAttr(offset, 8)).toEqual(kind === 'pvm' ? new Uint8Array(8) : value)
    const none = { group: 77, attr: 1n }
    expect(m.vcpu.hasDeviceAttr(none)).toBe(false)
    expect(expectRefusal(() => m.vcpu.getDeviceAttr(none, 8), 'ERR_KVM_IOCTL').operands).toMatchObject(none)
    expectRefusal(() => m.vcpu.setDeviceAttr(none, new Uint8Array(8)), 'ERR_KVM_IOCTL')
    expectRefusal(() => m.vcpu.setDeviceAttr(offset, new Uint8Array(4097)), 'ERR_KVM_INVALID_ARGUMENT')
    livesOn(m.vcpu)
  })
})

describe('nested state', () => {
  const supported = hostHas('KVM_CAP_NESTED_STATE')

  test.runIf(supported)('what was read can be set again', () => {
    using m = machine(halted, { cpuid: true })
    const state = m.vcpu.getNestedState()
    expect(new DataView(state.buffer).getUint32(4, true)).toBe(state.length)
    m.vcpu.setNestedState(state)
    expect(m.vcpu.getNestedState()).toEqual(state)
    livesOn(m.vcpu)
  })

  test.runIf(!supported)('a host without says so', () => {
    using m = machine(halted, { cpuid: true })
    expectRefusal(() => m.vcpu.getNestedState(), 'ERR_KVM_IOCTL', /KVM_CAP_NESTED_STATE/)
    const header = new Uint8Array(128)
    header[4] = 128
    expectRefusal(() => m.vcpu.setNestedState(header), 'ERR_KVM_IOCTL', /gives guests no virtualization/)
    livesOn(m.vcpu)
  })

  test('a size that is not that of the state', () => {
    using m = machine(halted)
    const lying = new Uint8Array(128)
    lying.fill(0xff, 4, 8)
    for (const wrong of [lying, new Uint8Array(128), new Uint8Array(7), new Uint8Array(0), null, 'state']) {
      expectRefusal(() => m.vcpu.setNestedState(wrong as never), 'ERR_KVM_INVALID_ARGUMENT', /state/)
    }
  })
})

describe('machine checks', () => {
  const [VALID, UNCORRECTED, ENABLED, MCG_STATUS_MCIP] = [1n << 63n, 1n << 61n, 1n << 60n, 4n]

  test('a corrected one is in its bank; a bank that is not there is refused', () => {
    using m = machine(halted, { cpuid: true })
    const supported = m.kvm.x86GetMceCapSupported()
    m.vcpu.x86SetupMce(supported | 4n)
    m.vcpu.x86SetMce({ bank: 1, status: VALID | ENABLED | 0x42n, addr: 0x1000n })
    expect(m.vcpu.getMsrs([0x405, 0x406])).toEqual(
      new Map([
        [0x405, VALID | ENABLED | 0x42n],
        [0x406, 0x1000n],
      ]),
    )
    const error = expectRefusal(() => m.vcpu.x86SetMce({ bank: 4, status: VALID }), 'ERR_KVM_IOCTL', /no such bank/)
    expect(error).toMatchObject({ errno: 22, operands: { vcpu: 0, bank: 4 } })
    expectRefusal(() => m.vcpu.x86SetMce({ bank: 1, status: 0n }), 'ERR_KVM_IOCTL', /not valid/)
    expectRefusal(() => m.vcpu.x86SetMce({ bank: 256 }), 'ERR_KVM_INVALID_ARGUMENT')
    expectRefusal(() => m.vcpu.x86SetMce({ mcg_cap: 1n } as never), 'ERR_KVM_INVALID_ARGUMENT', /mcg_cap/)
    livesOn(m.vcpu)
  })

  test('an uncorrected one that the guest cannot take shuts it down', () => {
    using m = machine(halted, { cpuid: true })
    m.vcpu.x86SetupMce(m.kvm.x86GetMceCapSupported() | 4n)
    m.vcpu.x86SetMce({ bank: 1, status: VALID | UNCORRECTED | ENABLED, mcg_status: MCG_STATUS_MCIP })
    expect(run(m.vcpu).reason).toBe('shutdown')
  })

  test('more banks than the host has, and none', () => {
    using m = machine(halted)
    const error = expectRefusal(() => m.vcpu.x86SetupMce(0xffn), 'ERR_KVM_IOCTL', /x86GetMceCapSupported/)
    expect(error).toMatchObject({ errno: 22, operands: { vcpu: 0, capability: 0xffn } })
    expectRefusal(() => m.vcpu.x86SetupMce(0n), 'ERR_KVM_IOCTL')
    expectRefusal(() => m.vcpu.x86SetupMce(10 as never), 'ERR_KVM_INVALID_ARGUMENT')
  })
})

describe('guests made for other hypervisors', () => {
  test("Hyper-V's CPUID, of the host and of a vCPU, or a refusal that says why not", () => {
    using m = machine(halted, { irqchip: true, cpuid: true })
    if (hostHas('KVM_CAP_HYPERV_CPUID')) {
      expect(m.vcpu.getSupportedHvCpuid().map((entry) => entry.function)).toContain(0x4000_0000)
    } else expectRefusal(() => m.vcpu.getSupportedHvCpuid(), 'ERR_KVM_IOCTL', /KVM_CAP_HYPERV_CPUID/)
    if (hostHas('KVM_CAP_SYS_HYPERV_CPUID')) {
      expect(m.kvm.getSupportedHvCpuid().map((entry) => entry.function)).toContain(0x4000_0000)
    } else expectRefusal(() => m.kvm.getSupportedHvCpuid(), 'ERR_KVM_IOCTL', /KVM_CAP_SYS_HYPERV_CPUID/)
  })

  test("Xen's attributes of a vCPU; those with addresses of the host are refused by name", () => {
    using m = machine(halted)
    const info = { type: KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO, u: { gpa: 0x2000n } }
    const error = expectRefusal(() => m.vcpu.xenVcpuSetAttr(info), 'ERR_KVM_IOCTL', /xenHvmConfig/)
    expect(error).toMatchObject({ errno: 22, operands: { vcpu: 0, type: 0 } })
    expectRefusal(() => m.vcpu.xenVcpuGetAttr(0), 'ERR_KVM_IOCTL', /KVM_CAP_XEN_HVM/)
    const hva = { type: KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO_HVA, u: { hva: 0x1000n } }
    expectRefusal(() => m.vcpu.xenVcpuSetAttr(hva), 'ERR_KVM_UNSUPPORTED', /VCPU_INFO_HVA takes a host address/)
    expectRefusal(() => m.vcpu.xenVcpuSetAttr({ type: 0, v: 1 } as never), 'ERR_KVM_INVALID_ARGUMENT')
    expectRefusal(() => m.vcpu.xenVcpuGetAttr(-1), 'ERR_KVM_INVALID_ARGUMENT')
    livesOn(m.vcpu)
  })
})

describe('capabilities of a vCPU', () => {
  test('one that does not exist, or is none of a vCPU', () => {
    using m = machine(assemble(movEax(1), movEcx(1), HLT))
    expectRefusal(() => m.vcpu.enableCap('KVM_CAP_NONE' as never), 'ERR_KVM_INVALID_ARGUMENT', /CAPABILITIES/)
    const error = expectRefusal(() => m.vcpu.enableCap('KVM_CAP_HYPERV_SYNIC', 1), 'ERR_KVM_IOCTL')
    expect(error).toMatchObject({ ioctl: 'KVM_ENABLE_CAP', errno: 22, operands: { args: [1] } })
    expectRefusal(() => m.vcpu.enableCap('KVM_CAP_HYPERV_SYNIC', 1, 2, 3, 4, 5), 'ERR_KVM_INVALID_ARGUMENT', /four/)
    livesOn(m.vcpu)
  })

  test('paravirtual features are held to the CPUID', () => {
    using m = machine(halted, { cpuid: true })
    expect(m.vcpu.enableCap('KVM_CAP_ENFORCE_PV_FEATURE_CPUID', 1)).toBe(0)
    livesOn(m.vcpu)
  })
})

test('a refusal names the vCPU, whatever the call', () => {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  using vcpu = vm.createVcpu(3)
  for (const call of [
    () => vcpu.getLapic(),
    () => vcpu.setLapic(new Uint8Array(1024)),
    () => vcpu.setMpState('sipi-received'),
    () => vcpu.setSregs({ cr0: 1n << 31n }),
    () => vcpu.enableCap('KVM_CAP_NR_VCPUS'),
    () => vcpu.getDeviceAttr({ group: 99, attr: 0n }, 8),
    () => vcpu.getOneReg(1n),
    () => vcpu.getMsrs([0x1234_5678]),
  ]) {
    expect(thrownBy(call).operands, String(call)).toMatchObject({ vcpu: 3 })
  }
  vcpu.close()
  expect(thrownBy(() => vcpu.getRegs())).toMatchObject({ code: 'ERR_KVM_CLOSED', operands: { vcpu: 3 } })
})

test('methods have their names, and say how many arguments they want', () => {
  using m = machine(assemble(HLT))
  const { vm, vcpu } = m
  const lengths = (of: object, names: readonly string[]) =>
    names.map((name) => {
      const method = Reflect.get(of, name) as { name: string; length: number }
      return [method.name, method.length]
    })
  expect(lengths(vm, ['irqLine', 'createIrqchip'])).toEqual([
    ['irqLine', 2],
    ['createIrqchip', 0],
  ])
  expect(lengths(vcpu, ['setRegs', 'preFaultMemory', 'armVcpuInit'])).toEqual([
    ['setRegs', 1],
    ['preFaultMemory', 2],
    ['armVcpuInit', 0],
  ])
})

test('every call of a vCPU that runs, or is closed, is refused', async () => {
  using m = machine(assemble(outAl(0x10), HLT))
  const calls = [
    () => m.vcpu.getXsave(),
    () => m.vcpu.getXcrs(),
    () => m.vcpu.getSregs2(),
    () => m.vcpu.nmi(),
    () => m.vcpu.interrupt(1),
    () => m.vcpu.translate(0n),
    () => m.vcpu.getTscKhz(),
    () => m.vcpu.getNestedState(),
    () => m.vcpu.getDeviceAttr({ group: 0, attr: 0n }, 8),
    () => m.vcpu.enableCap('KVM_CAP_HYPERV_SYNIC'),
  ]
  m.vm.memory.write(START, assemble([0xeb, 0xfe]))
  const finished = m.vcpu.start(() => undefined)
  await new Promise((resolve) => setTimeout(resolve, 20))
  for (const call of calls) expectRefusal(call, 'ERR_KVM_RUNNING')
  await m.vcpu.stop()
  await finished
  m.vcpu.close()
  for (const call of calls) expectRefusal(call, 'ERR_KVM_CLOSED')
})
