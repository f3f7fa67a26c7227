// What a VM and /dev/kvm of x86_64 have besides memory and vCPUs. What a host lacks it refuses, in words.
import { HostMemory, Kvm, type Vcpu } from 'node-kvm'
import {
  KVM_BUS_LOCK_DETECTION_EXIT,
  KVM_BUS_LOCK_DETECTION_OFF,
  KVM_CLOCK_HOST_TSC,
  KVM_CLOCK_REALTIME,
  KVM_MSR_EXIT_REASON_FILTER,
  KVM_MSR_EXIT_REASON_UNKNOWN,
  KVM_X86_DISABLE_EXITS_PAUSE,
  KVM_X86_NOTIFY_VMEXIT_ENABLED,
  KVM_X86_NOTIFY_VMEXIT_USER,
} from 'node-kvm/uapi'
import {
  KVM_SEV_INIT2,
  KVM_SEV_LAUNCH_UPDATE_DATA,
  KVM_X86_DEFAULT_VM,
  KVM_X86_SW_PROTECTED_VM,
  KVM_XEN_ATTR_TYPE_EVTCHN,
  KVM_XEN_ATTR_TYPE_LONG_MODE,
  KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA,
  KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
} from 'node-kvm/uapi/x86'
import { describe, expect, test } from 'vitest'

import { expectRefusal, NOT_OBJECTS, NOT_WHOLE_NUMBERS } from '../thrown.js'
import { assemble, HLT, movEax, movEcx, outAl, RDMSR, STI, WRMSR } from './guests.js'
import { machine, run, runTo, START } from './machine.js'

const [SYSENTER_CS, SYSENTER_ESP] = [0x174, 0x175]
const NONSENSE_MSR = 0x1234_5678

function freshVm() {
  const kvm = Kvm.open()
  const vm = kvm.createVm()
  return Object.assign(vm, { kvm })
}

describe('MSRs that are left to the VMM', () => {
  const guarded = (code: Uint8Array, ...reasons: number[]) => {
    const m = machine(code)
    m.vm.enableCap(
      'KVM_CAP_X86_USER_SPACE_MSR',
      reasons.reduce((all, one) => all | one, 0),
    )
    return m
  }
  const eax = (vcpu: Vcpu) => vcpu.getRegs().rax

  test('one that KVM does not know: a read gets the value that is put in, a write shows its own', () => {
    using m = guarded(
      assemble(movEcx(NONSENSE_MSR), RDMSR, movEcx(NONSENSE_MSR + 1), WRMSR, HLT),
      KVM_MSR_EXIT_REASON_UNKNOWN,
    )
    const read = runTo(m.vcpu, 'x86-rdmsr')
    expect(read).toMatchObject({ index: NONSENSE_MSR, msrReason: KVM_MSR_EXIT_REASON_UNKNOWN })
    read.data = 0x1_2233_4455n
    const write = runTo(m.vcpu, 'x86-wrmsr')
    expect(write).toMatchObject({ index: NONSENSE_MSR + 1, data: 0x1_2233_4455n })
    runTo(m.vcpu, 'hlt')
    expect(eax(m.vcpu)).toBe(0x2233_4455n)
  })

  test('an answer that is an error raises #GP', () => {
    using m = guarded(assemble(movEcx(NONSENSE_MSR), RDMSR, HLT), KVM_MSR_EXIT_REASON_UNKNOWN)
    m.vm.memory.write(0x3000, assemble(outAl(0x66), HLT))
    m.vm.memory.writeUint32(13 * 4, 0x3000)
    runTo(m.vcpu, 'x86-rdmsr').error = 1
    expect(runTo(m.vcpu, 'io')).toMatchObject({ port: 0x66 })
  })

  test('a filter says which: by range, by access, and what holds for the others', () => {
    using m = guarded(
      assemble(movEcx(SYSENTER_CS), RDMSR, movEcx(SYSENTER_ESP), RDMSR, WRMSR, HLT),
      KVM_MSR_EXIT_REASON_FILTER,
    )
    m.vm.x86SetMsrFilter({ ranges: [{ base: SYSENTER_ESP, count: 1, writes: false, allow: 'none' }] })
    const read = runTo(m.vcpu, 'x86-rdmsr')
    expect(read).toMatchObject({ index: SYSENTER_ESP, msrReason: KVM_MSR_EXIT_REASON_FILTER })
    runTo(m.vcpu, 'hlt')

    m.vm.x86SetMsrFilter({ otherwise: 'deny', ranges: [{ base: SYSENTER_CS, count: 65, allow: [SYSENTER_CS] }] })
    m.vcpu.setRegs({ rip: BigInt(START) })
    expect(runTo(m.vcpu, 'x86-rdmsr')).toMatchObject({ index: SYSENTER_ESP })
    expect(runTo(m.vcpu, 'x86-wrmsr')).toMatchObject({ index: SYSENTER_ESP })
    runTo(m.vcpu, 'hlt')

    m.vm.x86SetMsrFilter({ ranges: [] })
    m.vcpu.setRegs({ rip: BigInt(START) })
    runTo(m.vcpu, 'hlt')
  })

  test('sixteen ranges of the greatest length are taken, and no more', () => {
    using vm = freshVm()
    const range = (index: number) => ({ base: index * 12_288, count: 12_288, allow: 'all' as const })
    vm.x86SetMsrFilter({ ranges: Array.from({ length: 16 }, (_, index) => range(index)) })
    const seventeen = Array.from({ length: 17 }, (_, index) => range(index))
    expectRefusal(() => vm.x86SetMsrFilter({ ranges: seventeen }), 'ERR_KVM_INVALID_ARGUMENT', /at most 16/)
    const good = { base: 0x100, count: 2, allow: [0x101] }
    const wrong = [
      { ...good, count: 0 },
      { ...good, count: 12_289 },
      { ...good, allow: [0x102] },
      { ...good, allow: [0xff] },
      { ...good, allow: 'some' },
      { ...good, base: 2 ** 32 },
      { ...good, reads: 1 },
      { ...good, bitmap: new Uint8Array(1) },
      null,
    ]
    for (const range of wrong) {
      expectRefusal(() => vm.x86SetMsrFilter({ ranges: [good, range] as never }), 'ERR_KVM_INVALID_ARGUMENT')
    }
    for (const filter of NOT_OBJECTS) {
      expectRefusal(() => vm.x86SetMsrFilter(filter as never), 'ERR_KVM_INVALID_ARGUMENT')
    }
    const error = expectRefusal(
      () => vm.x86SetMsrFilter({ otherwise: 'deny', ranges: [] }),
      'ERR_KVM_IOCTL',
      /needs a range/,
    )
    expect(error).toMatchObject({ errno: 22, ioctl: 'KVM_X86_SET_MSR_FILTER' })
  })
})

test('the filter of performance events: what the kernel takes, and its limit', () => {
  using vm = freshVm()
  vm.setPmuEventFilter({ action: 'allow', events: [0xc0n, 0x3cn], fixedCounters: 0b111 })
  vm.setPmuEventFilter({ action: 'deny', events: [] })
  const error = expectRefusal(
    () => vm.setPmuEventFilter({ action: 'deny', events: Array.from({ length: 301 }, () => 1n) }),
    'ERR_KVM_IOCTL',
    /at most 300/,
  )
  expect(error).toMatchObject({ operands: { action: 'deny', events: 301 } })
  for (const wrong of [
    { events: [1] },
    { events: 1n },
    { fixedCounters: -1 },
    { masked: 1 },
    { action: 'log' },
    { x: 1 },
  ]) {
    const filter = { action: 'allow', events: [], ...wrong }
    expectRefusal(() => vm.setPmuEventFilter(filter as never), 'ERR_KVM_INVALID_ARGUMENT')
  }
})

describe('interrupt controllers', () => {
  test('a line tells whether anybody was reached', () => {
    using vm = freshVm()
    expectRefusal(() => vm.irqLineStatus(4, true), 'ERR_KVM_IOCTL', /createIrqchip/)
    vm.createIrqchip()
    using _vcpu = vm.createVcpu(0)
    expect(vm.irqLineStatus(4, true)).toBeTypeOf('number')
    for (const gsi of NOT_WHOLE_NUMBERS) {
      expectRefusal(() => vm.irqLineStatus(gsi as never, true), 'ERR_KVM_INVALID_ARGUMENT')
    }
  })

  test('a split one: local APICs in the kernel, the I/O APIC here; its interrupts end in an exit', () => {
    using kvm = Kvm.open()
    using vm = kvm.createVm()
    vm.enableCap('KVM_CAP_SPLIT_IRQCHIP', 24)
    vm.addMemory({ at: 0, size: 0x1_0000 })
    using vcpu = vm.createVcpu(0)
    vcpu.setCpuid2(kvm.getSupportedCpuid())
    const [VECTOR, LEVEL, X2APIC, ENABLED] = [0x41, 1 << 15, 1n << 10n, 1n << 11n]
    const { apic_base } = vcpu.getSregs()
    vcpu.setSregs({ cs: { base: 0n, selector: 0 }, apic_base: apic_base | ENABLED })
    vcpu.setSregs({ apic_base: apic_base | ENABLED | X2APIC })
    // The spurious vector's register switches the APIC on.
    vcpu.setMsrs([[0x80f, 0x1ffn]])
    vm.setGsiRouting([{ gsi: 0, type: 'msi', address: 0xfee0_0000, data: LEVEL | VECTOR }])
    vm.memory.write(START, assemble(STI, HLT, outAl(0x10)))
    // x2APIC's end of interrupt: wrmsr 0x80b, 0
    const endOfInterrupt = assemble(outAl(0x66), movEax(0), [0x66, 0x31, 0xd2], movEcx(0x80b), WRMSR, outAl(0x67), HLT)
    vm.memory.write(0x3000, endOfInterrupt)
    vm.memory.writeUint32(VECTOR * 4, 0x3000)
    vcpu.setRegs({ rip: BigInt(START), rsp: 0x8000n, rflags: 2n })
    expect(vm.signalMsi({ address: 0xfee0_0000, data: LEVEL | VECTOR })).toBe(true)
    expect(runTo(vcpu, 'io')).toMatchObject({ port: 0x66 })
    expect(runTo(vcpu, 'ioapic-eoi')).toMatchObject({ vector: VECTOR })
    expect(runTo(vcpu, 'io')).toMatchObject({ port: 0x67 })
  })

  test('an interrupt from a controller of one’s own, beside a split one', () => {
    using kvm = Kvm.open()
    using vm = kvm.createVm()
    vm.enableCap('KVM_CAP_SPLIT_IRQCHIP', 24)
    expectRefusal(() => vm.createIrqchip(), 'ERR_KVM_IOCTL', /already/)
    using vcpu = vm.createVcpu(0)
    vcpu.interrupt(0x20)
    expectRefusal(
      () => {
        vcpu.interrupt(0x21)
      },
      'ERR_KVM_IOCTL',
      /pending already/,
    )
  })
})

describe('settings of a VM', () => {
  test('which vCPU boots, before there is one', () => {
    using vm = freshVm()
    vm.setBootCpuId(1)
    vm.createIrqchip()
    using first = vm.createVcpu(0)
    using second = vm.createVcpu(1)
    expect([first.getMpState(), second.getMpState()]).toEqual(['uninitialized', 'runnable'])
    expectRefusal(
      () => {
        vm.setBootCpuId(0)
      },
      'ERR_KVM_IOCTL',
      /before the first vCPU/,
    )
  })

  test('how many pages shadow page tables may take', () => {
    using vm = freshVm()
    vm.setNrMmuPages(100)
    // Newer kernels have lost the call that reads it.
    try {
      expect(vm.getNrMmuPages()).toBe(100)
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_KVM_IOCTL', ioctl: 'KVM_GET_NR_MMU_PAGES' })
    }
    expectRefusal(
      () => {
        vm.setNrMmuPages(-1)
      },
      'ERR_KVM_INVALID_ARGUMENT',
      /pages/,
    )
  })

  test('whether missed ticks are made up for, once there is a timer', () => {
    using vm = freshVm()
    expectRefusal(
      () => {
        vm.reinjectControl(true)
      },
      'ERR_KVM_IOCTL',
      /createPit2/,
    )
    vm.createIrqchip()
    vm.createPit2()
    vm.reinjectControl(false)
    vm.reinjectControl(true)
    expectRefusal(() => {
      vm.reinjectControl(1 as never)
    }, 'ERR_KVM_INVALID_ARGUMENT')
  })

  test('the speed of time stamp counters to come', () => {
    using vm = freshVm()
    const khz = vm.getTscKhz()
    expect(khz).toBeGreaterThan(100_000)
    vm.setTscKhz(khz)
    expect(vm.getTscKhz()).toBe(khz)
    using vcpu = vm.createVcpu(0)
    expect(vcpu.getTscKhz()).toBe(khz)
    expectRefusal(() => {
      vm.setTscKhz(0.5)
    }, 'ERR_KVM_INVALID_ARGUMENT')
  })

  test('the clock comes with the time of day and the TSC, where the host can, and is set with them', () => {
    using vm = freshVm()
    const clock = vm.getClock()
    expect(vm.check('KVM_CAP_ADJUST_CLOCK') & clock.flags).toBe(clock.flags)
    if ((clock.flags & KVM_CLOCK_REALTIME) !== 0) {
      expect(Number(clock.realtime / 1_000_000n)).toBeCloseTo(Date.now(), -4)
      // It goes on from when it was read.
      vm.setClock({ ...clock, flags: KVM_CLOCK_REALTIME, realtime: clock.realtime - 1_000_000_000n })
      expect(vm.getClock().clock - clock.clock).toBeGreaterThanOrEqual(1_000_000_000n)
    }
    if ((clock.flags & KVM_CLOCK_HOST_TSC) !== 0) expect(clock.host_tsc).toBeGreaterThan(0n)
    expectRefusal(
      () => {
        vm.setClock({ flags: 0x8000_0000 })
      },
      'ERR_KVM_IOCTL',
      /KVM_SET_CLOCK/,
    )
  })

  test('exits that a VM does without, of those that the host knows', () => {
    using vm = freshVm()
    const without = (exits: number) => {
      vm.enableCap('KVM_CAP_X86_DISABLE_EXITS', exits)
    }
    const error = expectRefusal(() => {
      without(1 << 20)
    }, 'ERR_KVM_IOCTL')
    expect(error).toMatchObject({ ioctl: 'KVM_ENABLE_CAP', errno: 22, operands: { args: [1 << 20] } })
    without(vm.check('KVM_CAP_X86_DISABLE_EXITS') & KVM_X86_DISABLE_EXITS_PAUSE)
  })

  test('exits at bus locks, and at guests that nothing can interrupt, are switched on where the host has them', () => {
    using vm = freshVm()
    const both = KVM_BUS_LOCK_DETECTION_OFF | KVM_BUS_LOCK_DETECTION_EXIT
    expectRefusal(() => {
      vm.enableCap('KVM_CAP_X86_BUS_LOCK_EXIT', both)
    }, 'ERR_KVM_IOCTL')
    vm.enableCap('KVM_CAP_X86_BUS_LOCK_EXIT', KVM_BUS_LOCK_DETECTION_EXIT)
    const window = 1n << 32n
    const notify = () => {
      vm.enableCap(
        'KVM_CAP_X86_NOTIFY_VMEXIT',
        window | BigInt(KVM_X86_NOTIFY_VMEXIT_ENABLED | KVM_X86_NOTIFY_VMEXIT_USER),
      )
    }
    if (vm.check('KVM_CAP_X86_NOTIFY_VMEXIT') === 0) expectRefusal(notify, 'ERR_KVM_IOCTL')
    else notify()
  })

  test('types of VMs', () => {
    using kvm = Kvm.open()
    using vm = kvm.createVm({ type: KVM_X86_DEFAULT_VM })
    vm.addMemory({ at: 0, size: 4096 })
    const types = kvm.check('KVM_CAP_VM_TYPES')
    const isProtected = () => kvm.createVm({ type: KVM_X86_SW_PROTECTED_VM })
    if ((types & (1 << KVM_X86_SW_PROTECTED_VM)) !== 0) isProtected().close()
    else expectRefusal(isProtected, 'ERR_KVM_IOCTL', /no VM of that type/)
    const error = expectRefusal(() => kvm.createVm({ type: 0x7777 }), 'ERR_KVM_IOCTL', /no VM of that type/)
    expect(error.operands).toMatchObject({ type: 0x7777 })
    for (const type of NOT_WHOLE_NUMBERS) {
      expectRefusal(() => kvm.createVm({ type: type as never }), 'ERR_KVM_INVALID_ARGUMENT', /type/)
    }
    expectRefusal(() => kvm.createVm({ kind: 1 } as never), 'ERR_KVM_INVALID_ARGUMENT', /kind/)
  })
})

describe('other hypervisors, and encrypted memory', () => {
  test('Xen: what the host lacks, and addresses and descriptors of the host, are refused', () => {
    using vm = freshVm()
    const config = { msr: 0x4000_0000, flags: KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL }
    const calls = [
      () => vm.xenHvmConfig(config),
      () => vm.xenHvmSetAttr({ type: KVM_XEN_ATTR_TYPE_LONG_MODE, u: { long_mode: 1 } }),
      () => vm.xenHvmGetAttr(KVM_XEN_ATTR_TYPE_LONG_MODE),
      () => vm.xenHvmEvtchnSend({ port: 1, vcpu: 0, priority: 0xffff_ffff }),
    ]
    if (vm.check('KVM_CAP_XEN_HVM') === 0) {
      for (const call of calls) expectRefusal(call, 'ERR_KVM_IOCTL', /KVM_XEN_HVM_\w+ failed.*KVM_CAP_XEN_HVM/)
    } else {
      for (const call of calls.slice(0, 3)) call()
      expect(vm.xenHvmGetAttr(KVM_XEN_ATTR_TYPE_LONG_MODE).u.long_mode).toBe(1)
    }
    const blob = { ...config, blob_addr_32: 0x1000n }
    expectRefusal(() => vm.xenHvmConfig(blob), 'ERR_KVM_UNSUPPORTED', /blob_addr_32 takes a host address/)
    const hva = { type: KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA, u: { shared_info: { hva: 1n } } }
    expectRefusal(() => vm.xenHvmSetAttr(hva), 'ERR_KVM_UNSUPPORTED', /SHARED_INFO_HVA takes a host address/)
    const eventfd = { type: KVM_XEN_ATTR_TYPE_EVTCHN, u: { evtchn: { deliver: { eventfd: { fd: 1 } } } } }
    expectRefusal(() => vm.xenHvmSetAttr(eventfd), 'ERR_KVM_UNSUPPORTED', /a descriptor of the host/)
    expectRefusal(() => vm.xenHvmConfig({ ...config, wrong: 1 } as never), 'ERR_KVM_INVALID_ARGUMENT', /wrong/)
  })

  test('Hyper-V: a connection rings, or the host says that it has none', () => {
    using vm = freshVm()
    const open = () => vm.hypervEventfd(1, () => undefined)
    if (vm.check('KVM_CAP_HYPERV_EVENTFD') === 0) expectRefusal(open, 'ERR_KVM_IOCTL', /KVM_CAP_HYPERV_EVENTFD/)
    else {
      using connection = open()
      expectRefusal(open, 'ERR_KVM_IOCTL', /listener already/)
      connection.close()
      connection.close()
      open()
    }
    expectRefusal(() => vm.hypervEventfd(2 ** 24, () => undefined), 'ERR_KVM_INVALID_ARGUMENT', /connection/)
    expectRefusal(() => vm.hypervEventfd(1, 1 as never), 'ERR_KVM_INVALID_ARGUMENT', /listener/)
  })

  test('encrypted memory: commands with addresses are refused by name, the others by hosts without it', () => {
    using vm = freshVm()
    using memory = HostMemory.allocate({ size: 4096 })
    expectRefusal(
      () => {
        vm.memoryEncryptOp({ id: KVM_SEV_LAUNCH_UPDATE_DATA })
      },
      'ERR_KVM_UNSUPPORTED',
      /addresses of the host/,
    )
    const calls = [
      () => vm.memoryEncryptOp({ id: KVM_SEV_INIT2, data: new Uint8Array(64) }),
      () => vm.memoryEncryptRegRegion(memory),
      () => vm.memoryEncryptUnregRegion(memory),
    ]
    for (const call of calls) expectRefusal(call, 'ERR_KVM_IOCTL', /KVM_MEMORY_ENCRYPT_/)
    for (const data of [new Uint8Array(4097), 'x']) {
      expectRefusal(() => vm.memoryEncryptOp({ id: KVM_SEV_INIT2, data: data as never }), 'ERR_KVM_INVALID_ARGUMENT')
    }
    expectRefusal(() => vm.memoryEncryptRegRegion({} as never), 'ERR_KVM_INVALID_ARGUMENT', /HostMemory/)
  })
})

describe('the system', () => {
  test('feature MSRs: their list, and their values', () => {
    using kvm = Kvm.open()
    const list = kvm.getMsrFeatureIndexList()
    expect(list).toContain(0x8b) // IA32_BIOS_SIGN_ID
    expect([...kvm.getMsrs(list).keys()]).toEqual(list)
    const error = expectRefusal(() => kvm.getMsrs([0x8b, NONSENSE_MSR]), 'ERR_KVM_MSR', /0x12345678/)
    expect(error.operands).toMatchObject({ index: NONSENSE_MSR })
  })

  test('attributes: which components of XSAVE guests may have', () => {
    using kvm = Kvm.open()
    const components = { group: 0, attr: 0n } // KVM_X86_XCOMP_GUEST_SUPP
    expect(kvm.hasDeviceAttr(components)).toBe(true)
    expect(kvm.getDeviceAttr(components, 8)[0]! & 1).toBe(1)
    expect(kvm.hasDeviceAttr({ group: 9, attr: 0n })).toBe(false)
    expectRefusal(() => kvm.getDeviceAttr({ group: 9, attr: 0n }, 8), 'ERR_KVM_IOCTL')
  })
})

describe('statistics', () => {
  test('of a VM and of a vCPU, decoded, by the kernel’s names', () => {
    using m = machine(assemble(outAl(1), outAl(2), HLT))
    using ofVm = m.vm.getStatsFd()
    using ofVcpu = m.vcpu.getStatsFd()
    expect(ofVm.read().stats.map(({ name }) => name)).toContain('remote_tlb_flush')
    const exits = () => ofVcpu.read().stats.find(({ name }) => name === 'exits')!
    expect(exits()).toMatchObject({ type: 'cumulative', values: [0n] })
    run(m.vcpu)
    run(m.vcpu)
    expect(exits().values[0]).toBeGreaterThanOrEqual(2n)
    ofVcpu.close()
    expectRefusal(() => ofVcpu.read(), 'ERR_KVM_CLOSED')
  })
})
