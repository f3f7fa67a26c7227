// Exits that come only to who has asked for them, each from a guest that makes one. Where the host cannot, the test says why and is skipped.
// No guest here makes a `notify` exit: KVM itself stops those that are known to keep a processor from every interrupt (endless #AC and #DB).
import { type CapabilityName, Kvm } from 'node-kvm'
import { KVM_BUS_LOCK_DETECTION_EXIT } from 'node-kvm/uapi'
import { KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL } from 'node-kvm/uapi/x86'
import { expect, test } from 'vitest'

import { assemble, load, movEs, outAl, SPIN, store, WRMSR } from './guests.js'
import { kind, longModeMachine, machine, type Machine, type MachineOptions, runTo, START } from './machine.js'

/** vmmcall. KVM replaces it where the processor has vmcall. */
const VMMCALL = [0x0f, 0x01, 0xd9]
const hypercaller = (options: MachineOptions) => longModeMachine(assemble(VMMCALL, outAl(0x10)), options)

// <linux/kvm_para.h>. KVM_CAP_EXIT_HYPERCALL has a bit for each hypercall that KVM can leave to the VMM.
const KVM_HC_MAP_GPA_RANGE = 12
const MAP_GPA_RANGE_EXITS = 2 ** KVM_HC_MAP_GPA_RANGE

// Hyper-V's Top Level Functional Specification: the interface's CPUID leaf, MSRs, a call's code.
const [HV_INTERFACE_LEAF, HV_INTERFACE] = [0x4000_0001, 0x3123_7648] // "Hv#1"
const [HV_GUEST_OS_ID, HV_SCONTROL] = [0x4000_0000, 0x4000_0080]
const HV_POST_MESSAGE = 0x5cn

/** Why this host has no such exit; undefined where it has. */
function lacking(capability: CapabilityName, bit = 1): string | undefined {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  return (vm.check(capability) & bit) === 0 ? `${capability} is ${vm.check(capability)} here` : undefined
}

/** The guest has got this in RAX as the hypercall's result, and gone on behind it. */
function expectResult({ vcpu }: Machine, result: bigint): void {
  runTo(vcpu, 'io')
  expect(vcpu.getRegs()).toMatchObject({ rax: result, rip: BigInt(START + VMMCALL.length + outAl(0x10).length) })
}

test('tpr-access: the guest reads and writes the task priority register', ({ skip }) => {
  const reason = lacking('KVM_CAP_VAPIC')
  if (reason !== undefined) skip(reason)
  const TASK_PRIORITY = 0x80
  // It spins, because an emulator may execute what comes next before KVM comes out, and another exit would take the place of this one.
  for (const [access, isWrite] of [
    [load(4, TASK_PRIORITY), 0],
    [store(4, TASK_PRIORITY), 1],
  ] as const) {
    // prettier-ignore
    using m = machine(assemble(access, SPIN), { irqchip: true })
    m.vcpu.setSregs({ es: { base: 0xfee0_0000n } })
    m.vcpu.setRegs({ rax: 0x20n })
    m.vcpu.tprAccessReporting(true)
    expect(runTo(m.vcpu, 'tpr-access')).toEqual({ reason: 'tpr-access', rip: BigInt(START), isWrite })
    m.vcpu.tprAccessReporting(false)
    m.vcpu.setRegs({ rip: BigInt(START) })
    expect(m.vcpu.run({ deadline: performance.now() + 50 }).reason).toBe('interrupted')
  }
})

test('set-tpr: the guest lowers its task priority, and the local APIC is not in the kernel', ({ skip }) => {
  if (kind === 'pvm') skip("kvm_pvm's emulator executes mov cr8, and does not come out")
  const movCr8Rax = [0x44, 0x0f, 0x22, 0xc0]
  using m = longModeMachine(assemble(movCr8Rax, outAl(0x10), movCr8Rax, outAl(0x10)))
  m.vcpu.setRegs({ rax: 5n })
  runTo(m.vcpu, 'io')
  m.vcpu.setRegs({ rax: 3n })
  expect(runTo(m.vcpu, 'set-tpr')).toEqual({ reason: 'set-tpr' })
  expect(m.vcpu.getSregs().cr8).toBe(3n)
  runTo(m.vcpu, 'io')
})

test('hypercall: the guest says which of its memory is private', ({ skip }) => {
  const reason = lacking('KVM_CAP_EXIT_HYPERCALL', MAP_GPA_RANGE_EXITS)
  if (reason !== undefined) skip(reason)
  // At CPL 0 the emulator executes the instruction for ever; at CPL 3, where the processor does, KVM allows it to nobody.
  if (kind === 'pvm') skip('kvm_pvm has hypercalls at CPL 0 only for guests that speak its protocol')
  using m = hypercaller({ prepare: (vm) => vm.enableCap('KVM_CAP_EXIT_HYPERCALL', MAP_GPA_RANGE_EXITS) })
  const [address, pages, attributes] = [0x8000n, 2n, 0x10n]
  m.vcpu.setRegs({ rax: BigInt(KVM_HC_MAP_GPA_RANGE), rbx: address, rcx: pages, rdx: attributes })
  const exit = runTo(m.vcpu, 'hypercall')
  expect(exit).toMatchObject({ nr: BigInt(KVM_HC_MAP_GPA_RANGE), longmode: 1 })
  expect(exit.args.slice(0, 3)).toEqual([address, pages, attributes])
  exit.ret = 0x1234n
  expectResult(m, 0x1234n)
})

test('xen: a hypercall of a guest made for Xen', ({ skip }) => {
  const reason = lacking('KVM_CAP_XEN_HVM', KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL)
  if (reason !== undefined) skip(reason)
  using m = hypercaller({ prepare: (vm) => vm.xenHvmConfig({ msr: 0, flags: KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL }) })
  m.vcpu.setRegs({ rax: 34n, rdi: 1n, rsi: 2n, rdx: 3n, r10: 4n, r8: 5n, r9: 6n })
  const exit = runTo(m.vcpu, 'xen')
  expect(exit).toMatchObject({ type: 1, longmode: 1, cpl: 0, input: 34n, params: [1n, 2n, 3n, 4n, 5n, 6n] })
  exit.result = 0x1234n
  expectResult(m, 0x1234n)
})

test('hyperv: the guest switches on its interrupt controller, and posts a message', ({ skip }) => {
  const reason = lacking('KVM_CAP_HYPERV_SYNIC2')
  if (reason !== undefined) skip(reason)
  using m = longModeMachine(assemble(WRMSR, VMMCALL, outAl(0x10)), { irqchip: true })
  const cpuid = m.kvm.getSupportedCpuid()
  m.vcpu.setCpuid2(
    cpuid.map((entry) => (entry.function === HV_INTERFACE_LEAF ? { ...entry, eax: HV_INTERFACE } : entry)),
  )
  m.vcpu.enableCap('KVM_CAP_HYPERV_SYNIC2')
  m.vcpu.setMsrs([[HV_GUEST_OS_ID, 1n]])

  m.vcpu.setRegs({ rcx: BigInt(HV_SCONTROL), rax: 1n, rdx: 0n })
  expect(runTo(m.vcpu, 'hyperv')).toMatchObject({ type: 'synic', msr: HV_SCONTROL, control: 1n })

  m.vcpu.setRegs({ rcx: HV_POST_MESSAGE, rdx: 0x8000n, r8: 0x9000n })
  const exit = runTo(m.vcpu, 'hyperv')
  expect(exit).toMatchObject({ type: 'hcall', input: HV_POST_MESSAGE })
  if (exit.type !== 'hcall') return
  expect(exit.params).toEqual([0x8000n, 0x9000n])
  exit.result = 0x1234n
  runTo(m.vcpu, 'io')
  expect(m.vcpu.getRegs().rax).toBe(0x1234n)
})

test('x86-bus-lock: the guest locks a value that lies in two cache lines', ({ skip }) => {
  const reason = lacking('KVM_CAP_X86_BUS_LOCK_EXIT', KVM_BUS_LOCK_DETECTION_EXIT)
  if (reason !== undefined) skip(reason)
  const lockIncWord = [0xf0, 0x26, 0xff, 0x06, 0x3f, 0x00] // lock inc word es:[0x3f]
  using m = machine(assemble(movEs(0x800), lockIncWord, outAl(0x10)), {
    prepare: (vm) => vm.enableCap('KVM_CAP_X86_BUS_LOCK_EXIT', KVM_BUS_LOCK_DETECTION_EXIT),
  })
  expect(runTo(m.vcpu, 'x86-bus-lock')).toEqual({ reason: 'x86-bus-lock' })
  runTo(m.vcpu, 'io')
  expect(m.vm.memory.readUint16(0x803f)).toBe(1)
})
