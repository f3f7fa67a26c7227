import { Struct } from './struct.js'

/** General registers, struct kvm_regs (KVM API, KVM_GET_REGS). x86_64. */
export interface Regs {
  rax: bigint
  rbx: bigint
  rcx: bigint
  rdx: bigint
  rsi: bigint
  rdi: bigint
  rsp: bigint
  rbp: bigint
  r8: bigint
  r9: bigint
  r10: bigint
  r11: bigint
  r12: bigint
  r13: bigint
  r14: bigint
  r15: bigint
  rip: bigint
  /** Bit 1 is always set in hardware: 2n is the least legal value. */
  rflags: bigint
}

/** A segment register with its hidden part, struct kvm_segment. Single-bit members are 0 or 1. */
export interface Segment {
  base: bigint
  /** In bytes, whatever `g` says: 0xffffffff for a flat segment. */
  limit: number
  selector: number
  /** The descriptor's four type bits (Intel SDM vol. 3A, 3.4.5.1). */
  type: number
  present: number
  /** Privilege level, 0 to 3. */
  dpl: number
  /** 1: 32-bit code or stack. */
  db: number
  /** 1: code or data; 0: system. */
  s: number
  /** 1: 64-bit code. */
  l: number
  /** 1: the limit counts pages. */
  g: number
  avl: number
  unusable: number
}

/** A descriptor table register, struct kvm_dtable. */
export interface Dtable {
  base: bigint
  /** The table's size in bytes, less one. */
  limit: number
}

/** Special registers, struct kvm_sregs (KVM API, KVM_GET_SREGS). x86_64. */
export interface Sregs {
  cs: Segment
  ds: Segment
  es: Segment
  fs: Segment
  gs: Segment
  ss: Segment
  tr: Segment
  ldt: Segment
  gdt: Dtable
  idt: Dtable
  cr0: bigint
  cr2: bigint
  cr3: bigint
  cr4: bigint
  cr8: bigint
  efer: bigint
  apic_base: bigint
  /** Four words: the external interrupt that is pending, one bit a vector. */
  interrupt_bitmap: bigint[]
}

/** x87 and SSE state, struct kvm_fpu (KVM API, KVM_GET_FPU). x86_64. */
export interface Fpu {
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
export interface Debugregs {
  /** DR0 to DR3. */
  db: bigint[]
  dr6: bigint
  dr7: bigint
  flags: bigint
}

/** Exceptions, interrupts, NMIs and SMIs in flight, struct kvm_vcpu_events (KVM API, KVM_GET_VCPU_EVENTS). x86_64. */
export interface VcpuEvents {
  exception: { injected: number; nr: number; has_error_code: number; pending: number; error_code: number }
  interrupt: { injected: number; nr: number; soft: number; shadow: number }
  nmi: { injected: number; pending: number; masked: number }
  sipi_vector: number
  /** KVM_VCPUEVENT_VALID_*: which of the optional members are meant. */
  flags: number
  smi: { smm: number; pending: number; smm_inside_nmi: number; latched_init: number }
  triple_fault: { pending: number }
  exception_has_payload: number
  exception_payload: bigint
}

export const regsStruct = new Struct<Regs>('kvm_regs')
export const sregsStruct = new Struct<Sregs>('kvm_sregs')
export const fpuStruct = new Struct<Fpu>('kvm_fpu')
export const debugregsStruct = new Struct<Debugregs>('kvm_debugregs')
export const vcpuEventsStruct = new Struct<VcpuEvents>('kvm_vcpu_events')
