import { checkBytes, checkUint64 } from '../../validate.js'
import type { Calls } from '../calls.js'
import { type CpuidEntry, readCpuid, writeCpuid } from '../cpuid.js'
import type { Execution } from '../execution.js'
import { errnoName } from '../fd.js'
import {
  kvm_debugregs,
  kvm_fpu,
  kvm_lapic_state,
  kvm_regs,
  kvm_sregs,
  kvm_sregs2,
  kvm_vcpu_events,
} from '../generated/x86.js'
import { kvm_translation } from '../generated/common.js'
import { readMsrs, writeMsrs } from '../msrs.js'
import { type OneRegCalls, oneRegCalls } from '../one-reg.js'
import type { Debugregs, Fpu, Regs, Sregs, Sregs2, VcpuEvents } from '../registers.js'
import { get, getSynced, update } from '../rows.js'
import type { Patch } from '../struct.js'
import { type InterruptCalls, interruptCalls } from './interrupts.js'
import { type MceCalls, mceCalls } from './mce.js'
import { type NestedStateCalls, nestedStateCalls } from './nested-state.js'
import { getTscKhz, setTscKhz } from './tsc.js'
import { type XenVcpuCalls, xenVcpuCalls } from './xen.js'
import { type XsaveCalls, xsaveCalls } from './xsave.js'
import { SYNCED_EVENTS, SYNCED_REGS, SYNCED_SREGS } from '../synced-registers.js'

/** What a vCPU has on x86_64 alone. */
export interface X86VcpuCalls
  extends OneRegCalls, XsaveCalls, InterruptCalls, NestedStateCalls, MceCalls, XenVcpuCalls {
  /** KVM_GET_REGS. */
  getRegs(): Regs
  /** KVM_SET_REGS; registers that are left out keep their value. */
  setRegs(regs: Patch<Regs>): void
  /** KVM_GET_SREGS. */
  getSregs(): Sregs
  /** KVM_SET_SREGS; registers, and members of segments, that are left out keep their value. */
  setSregs(sregs: Patch<Sregs>): void
  /** KVM_GET_SREGS2: with the page-directory pointers, on hosts with KVM_CAP_SREGS2. */
  getSregs2(): Sregs2
  /** KVM_SET_SREGS2; registers, and members of segments, that are left out keep their value. */
  setSregs2(sregs: Patch<Sregs2>): void
  /** KVM_GET_FPU. */
  getFpu(): Fpu
  /** KVM_SET_FPU; members that are left out keep their value. */
  setFpu(fpu: Patch<Fpu>): void
  /** KVM_GET_DEBUGREGS. */
  getDebugregs(): Debugregs
  /** KVM_SET_DEBUGREGS; members that are left out keep their value. */
  setDebugregs(debugregs: Patch<Debugregs>): void
  /** KVM_GET_VCPU_EVENTS. */
  getVcpuEvents(): VcpuEvents
  /** KVM_SET_VCPU_EVENTS; members that are left out keep their value. */
  setVcpuEvents(events: Patch<VcpuEvents>): void
  /** KVM_GET_MSRS: the values by MSR index. Throws `ERR_KVM_MSR` with the index of one that cannot be read. */
  getMsrs(indices: Iterable<number>): Map<number, bigint>
  /** KVM_SET_MSRS, in order. Throws `ERR_KVM_MSR` at the first that the kernel refuses; those before it are set. */
  setMsrs(values: Iterable<readonly [number, bigint]>): void
  /** KVM_GET_CPUID2: what this vCPU's CPUID instruction says. */
  getCpuid2(): CpuidEntry[]
  /** KVM_SET_CPUID2: what this vCPU's CPUID instruction says. Before the first run(). */
  setCpuid2(entries: readonly CpuidEntry[]): void
  /** KVM_GET_SUPPORTED_HV_CPUID: the CPUID with which this vCPU can look like one of Hyper-V's. */
  getSupportedHvCpuid(): CpuidEntry[]
  /** KVM_TRANSLATE: the guest physical address of a linear one, as the page tables say now; undefined where nothing is mapped. */
  translate(address: bigint): number | undefined
  /** KVM_GET_TSC_KHZ. */
  getTscKhz(): number
  /** KVM_SET_TSC_KHZ: how fast the vCPU's time stamp counter runs; at another speed than the host's with KVM_CAP_TSC_CONTROL. */
  setTscKhz(khz: number): void
  /** KVM_GET_LAPIC: the local APIC's registers, 1,024 bytes as at its MMIO address. Needs an in-kernel irqchip. */
  getLapic(): Uint8Array
  /** KVM_SET_LAPIC. */
  setLapic(registers: Uint8Array): void
  /**
   * KVM_KVMCLOCK_CTRL: tells a guest whose clock went on while it was paused that it was, so that its watchdogs take the
   * gap for no stall. Before it is resumed. Returns false when the guest has no kvmclock to be told by.
   */
  kvmclockCtrl(): boolean
}

export const x86VcpuCalls: Calls<X86VcpuCalls, Execution> = {
  ...oneRegCalls,
  ...xsaveCalls,
  ...interruptCalls,
  ...nestedStateCalls,
  ...mceCalls,
  ...xenVcpuCalls,

  getRegs: getSynced(SYNCED_REGS),
  setRegs: update('KVM_GET_REGS', 'KVM_SET_REGS', kvm_regs),
  getSregs: getSynced(SYNCED_SREGS),
  setSregs: update('KVM_GET_SREGS', 'KVM_SET_SREGS', kvm_sregs),
  getSregs2: get('KVM_GET_SREGS2', kvm_sregs2),
  setSregs2: update('KVM_GET_SREGS2', 'KVM_SET_SREGS2', kvm_sregs2),
  getFpu: get('KVM_GET_FPU', kvm_fpu),
  setFpu: update('KVM_GET_FPU', 'KVM_SET_FPU', kvm_fpu),
  getDebugregs: get('KVM_GET_DEBUGREGS', kvm_debugregs),
  setDebugregs: update('KVM_GET_DEBUGREGS', 'KVM_SET_DEBUGREGS', kvm_debugregs),
  getVcpuEvents: getSynced(SYNCED_EVENTS),
  setVcpuEvents: update('KVM_GET_VCPU_EVENTS', 'KVM_SET_VCPU_EVENTS', kvm_vcpu_events),

  getMsrs(vcpu, indices) {
    vcpu.settle()
    return readMsrs(vcpu.fd, indices)
  },
  setMsrs(vcpu, values) {
    vcpu.change(() => {
      writeMsrs(vcpu.fd, values)
    })
  },
  getCpuid2(vcpu) {
    vcpu.checkOutside() // the kernel would make this thread wait for the vCPU's
    return readCpuid(vcpu.fd, 'KVM_GET_CPUID2')
  },
  setCpuid2(vcpu, entries) {
    vcpu.change(() => {
      writeCpuid(vcpu.fd, entries)
    })
  },
  getSupportedHvCpuid(vcpu) {
    vcpu.checkOutside()
    return readCpuid(vcpu.fd, 'KVM_GET_SUPPORTED_HV_CPUID')
  },
  translate(vcpu, address) {
    const bytes = kvm_translation.bytes({ linear_address: checkUint64('address', address) })
    vcpu.settle()
    vcpu.fd.ioctl('KVM_TRANSLATE', bytes, { address })
    const { physical_address, valid } = kvm_translation.decode(new DataView(bytes.buffer))
    return valid === 0 ? undefined : Number(physical_address)
  },
  getTscKhz(vcpu) {
    vcpu.checkOutside()
    return getTscKhz(vcpu.fd)
  },
  setTscKhz(vcpu, khz) {
    vcpu.change(() => {
      setTscKhz(vcpu.fd, khz)
    })
  },
  getLapic(vcpu) {
    vcpu.settle()
    const bytes = new Uint8Array(kvm_lapic_state.size)
    vcpu.fd.ioctl('KVM_GET_LAPIC', bytes)
    return bytes
  },
  setLapic(vcpu, registers) {
    checkBytes('registers', registers, kvm_lapic_state.size)
    vcpu.change(() => {
      vcpu.fd.ioctl('KVM_SET_LAPIC', Uint8Array.from(registers))
    })
  },
  kvmclockCtrl(vcpu) {
    vcpu.checkOutside()
    const result = vcpu.fd.tryIoctl('KVM_KVMCLOCK_CTRL')
    if (result < 0 && errnoName(-result) !== 'EINVAL') throw vcpu.fd.refusal('KVM_KVMCLOCK_CTRL', -result)
    return result === 0
  },
}
