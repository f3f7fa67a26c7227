import type { GeneralRegister, SegmentState, SystemState, TableRegister } from '../arch/x86/registers.js'
import type { kvm_debugregs, kvm_fpu, kvm_vcpu_events } from './generated/x86.js'

/** General registers, struct kvm_regs (KVM API, KVM_GET_REGS). x86_64. Bit 1 of `rflags` is always set: 2n is its least value. */
export type Regs = Record<GeneralRegister, bigint>

/** A segment register with its hidden part, struct kvm_segment. */
export type Segment = SegmentState

/** A descriptor table register, struct kvm_dtable. */
export type Dtable = TableRegister

/** Special registers, struct kvm_sregs (KVM API, KVM_GET_SREGS). x86_64. */
export interface Sregs extends SystemState {
  apic_base: bigint
  /** Four words: the external interrupt that is pending, one bit a vector. */
  interrupt_bitmap: bigint[]
}

/** Special registers, struct kvm_sregs2 (KVM API, KVM_GET_SREGS2). x86_64. */
export interface Sregs2 extends SystemState {
  apic_base: bigint
  /** KVM_SREGS2_FLAGS_PDPTRS_VALID: `pdptrs` are meant. */
  flags: bigint
  /** The four page-directory pointers, of a guest that uses PAE paging. */
  pdptrs: bigint[]
}

/** x87 and SSE state, struct kvm_fpu (KVM API, KVM_GET_FPU). x86_64. */
export interface Fpu extends kvm_fpu {
  /** ST0 to ST7, 16 bytes each. */
  fpr: Uint8Array
  fcw: number
  fsw: number
  /** The tag word as FXSAVE abridges it. */
  ftwx: number
  last_opcode: number
  last_ip: bigint
  last_dp: bigint
  /** XMM0 to XMM15, 16 bytes each. */
  xmm: Uint8Array
  /** Always 0: the kernel neither reads nor writes it here. */
  mxcsr: number
}

/** Debug registers, struct kvm_debugregs (KVM API, KVM_GET_DEBUGREGS). x86_64. */
export interface Debugregs extends kvm_debugregs {
  /** DR0 to DR3. */
  db: bigint[]
  dr6: bigint
  dr7: bigint
  flags: bigint
}

/** Exceptions, interrupts, NMIs and SMIs in flight, struct kvm_vcpu_events (KVM API, KVM_GET_VCPU_EVENTS). x86_64. */
export interface VcpuEvents extends kvm_vcpu_events {
  /** KVM_VCPUEVENT_VALID_*: which of the optional members are meant. */
  flags: number
}
