import type { CpuidEntry } from '../../arch/x86/cpuid-entry.js'
import { kvm_cpuid_entry2, kvm_debugregs, kvm_regs, kvm_sregs2, kvm_vcpu_events } from '../../kvm/generated/x86.js'
import type { Kvm } from '../../kvm/kvm.js'
import type { Debugregs, Regs, Sregs2, VcpuEvents } from '../../kvm/registers.js'
import type { Vcpu } from '../../kvm/vcpu.js'
import { StateReader } from '../../state.js'
import { onThisHost, type Step } from '../on-this-host.js'
import { readStruct, type Saved, saved } from '../saved.js'
import { type Lapic, readLapic, restoreDeadline, restoreLapic, saveLapic } from './lapic.js'
import { readMsrs, restoreMsrs, type SavedMsr, saveMsrs } from './msrs.js'
import { readNested, restoreNested, saveNested } from './nested.js'
import { restoreSregs, saveSregs } from './sregs.js'
import { readCounters, restoreSpeed, speedOf, writeCounters } from './tsc.js'
import { readXcrs, readXsave, restoreXsave, type SavedXcr } from './xsave.js'

const VERSION = 1

/** KVM_MP_STATE_* of x86. */
const MP_STATES = ['runnable', 'uninitialized', 'init-received', 'halted', 'sipi-received', 'ap-reset-hold'] as const

/** KVM_MAX_CPUID_ENTRIES of the kernel. */
const MOST_CPUID_ENTRIES = 256

/** All that KVM knows of a vCPU, as data that JSON can carry. Members are those of the kernel's structs. x86_64. */
export interface X86VcpuState {
  version: number
  /** The vCPU's number: it is restored into one of the same. */
  id: number
  mpState: (typeof MP_STATES)[number]
  cpuid: CpuidEntry[]
  /** Of the time stamp counter; 0 where the kernel does not say. */
  tscKhz: number
  tsc: string
  sregs: Saved<Sregs2>
  regs: Saved<Regs>
  /** Every component, in the standard format. */
  xsave: string
  xcrs: SavedXcr[]
  debugregs: Saved<Debugregs>
  msrs: SavedMsr[]
  /** Absent where the kernel has no local APIC for it. */
  lapic?: Saved<Lapic>
  /** What a guest that is a hypervisor has made of it; absent where it is none. */
  nested?: string
  events: Saved<VcpuEvents>
}

/**
 * Reads all of a vCPU, which must be outside the guest: `vm.pause()`. An access in the middle of which it has exited is completed
 * first, with the answer that it was given.
 */
export function saveVcpu(kvm: Kvm, vcpu: Vcpu): X86VcpuState {
  // First, since KVM takes account of an INIT or SIPI that has come, which changes the rest.
  const mpState = vcpu.getMpState() as X86VcpuState['mpState']
  const [tsc = 0n] = readCounters([vcpu])
  const lapic = saveLapic(vcpu)
  const nested = saveNested(vcpu)
  return {
    version: VERSION,
    id: vcpu.id,
    mpState,
    cpuid: vcpu.getCpuid2(),
    tscKhz: speedOf(vcpu),
    tsc: saved(tsc),
    sregs: saved(saveSregs(vcpu)),
    regs: saved(vcpu.getRegs()),
    xsave: saved(vcpu.getXsave()),
    xcrs: [...vcpu.getXcrs()].map(([xcr, value]) => ({ xcr, value: saved(value) })),
    debugregs: saved(vcpu.getDebugregs()),
    msrs: saveMsrs(kvm, vcpu),
    ...(lapic === undefined ? {} : { lapic }),
    ...(nested === undefined ? {} : { nested: saved(nested) }),
    // Last, since what was read before may have had its effect on them.
    events: saved<VcpuEvents>(vcpu.getVcpuEvents()),
  }
}

/** A state that has been checked, and what gives it to a vCPU. */
export interface VcpuRestore {
  readonly vcpu: Vcpu
  /** What its time stamp counter was. */
  readonly tsc: bigint
  /** All but time. */
  readonly registers: readonly Step[]
  /** What goes off at a time: after the time stamp counter has been set. */
  readonly timers: readonly Step[]
}

/**
 * Checks a saved state, and does nothing to the vCPU. The order of the steps is that which KVM asks for, as its users have found
 * out: CPUID says what the rest may be. The special registers have the local APIC's mode, and clear nothing that was set before; KVM_SET_REGS drops
 * a pending exception, so that events come after it, and KVM_SET_SREGS may make a vCPU runnable. A deadline is taken by a local
 * APIC whose timer is in that mode.
 */
export function readVcpu(vcpu: Vcpu, state: unknown): VcpuRestore {
  const reader = new StateReader(vcpuName(vcpu), state, VERSION)
  reader.integer('id', vcpu.id, vcpu.id)
  const mpState = reader.oneOf('mpState', MP_STATES)
  const cpuid = reader.parts('cpuid', MOST_CPUID_ENTRIES).map((entry) => readStruct(kvm_cpuid_entry2, entry))
  const tscKhz = reader.integer('tscKhz', 0xffff_ffff)
  const sregs = readStruct(kvm_sregs2, reader.part('sregs'))
  const regs = readStruct(kvm_regs, reader.part('regs'))
  const xsave = readXsave(reader)
  const xcrs = readXcrs(reader)
  const debugregs = readStruct(kvm_debugregs, reader.part('debugregs'))
  const msrs = readMsrs(reader)
  const lapic = readLapic(reader)
  const nested = readNested(reader)
  const events = readStruct(kvm_vcpu_events, reader.part('events'))
  return {
    vcpu,
    tsc: reader.uint64('tsc'),
    registers: [
      ['CPUID', () => vcpu.setCpuid2(cpuid)],
      ['TSC frequency', () => restoreSpeed(vcpu, tscKhz)],
      ['special registers', () => restoreSregs(vcpu, sregs)],
      ['local APIC', () => restoreLapic(vcpu, lapic)],
      ['MSRs', () => restoreMsrs(vcpu, msrs)],
      ['nested state', () => restoreNested(vcpu, nested)],
      ['registers', () => vcpu.setRegs(regs)],
      ['extended control registers', () => vcpu.setXcrs(xcrs)],
      ['XSAVE area', () => restoreXsave(vcpu, xsave)],
      ['debug registers', () => vcpu.setDebugregs(debugregs)],
      ['events', () => vcpu.setVcpuEvents(events)],
      ['state of execution', () => vcpu.setMpState(mpState)],
    ],
    timers: [['timer of the local APIC', () => restoreDeadline(vcpu, lapic)]],
  }
}

/**
 * Gives a vCPU, which must be outside the guest, a state that `saveVcpu()` has returned. Throws `ERR_KVM_INVALID_STATE`, and has changed nothing, for
 * one that cannot be; `ERR_KVM_SNAPSHOT` for one that this host does not take over: the vCPU is of no use then.
 */
export function restoreVcpu(vcpu: Vcpu, state: X86VcpuState): void {
  const { registers, tsc, timers } = readVcpu(vcpu, state)
  onThisHost(vcpuName(vcpu), [...registers, ['TSC', () => writeCounters([vcpu], [tsc])], ...timers])
}

export const vcpuName = (vcpu: Vcpu): string => `vCPU ${vcpu.id}`
