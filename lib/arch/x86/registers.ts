// The names that the processor's manual gives its registers, in the one place where they stand.

export const GENERAL_REGISTERS = [
  ...(['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rsp', 'rbp'] as const),
  ...(['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15', 'rip', 'rflags'] as const),
] as const
export const SEGMENT_REGISTERS = ['cs', 'ds', 'es', 'fs', 'gs', 'ss', 'tr', 'ldt'] as const

export type GeneralRegister = (typeof GENERAL_REGISTERS)[number]
export type SegmentRegister = (typeof SEGMENT_REGISTERS)[number]

/** A segment register with its hidden part, in the shape of `kvm_segment`. Single-bit members are 0 or 1. */
export interface SegmentState {
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

/** A descriptor table register, in the shape of `kvm_dtable`. */
export interface TableRegister {
  base: bigint
  /** The table's size in bytes, less one. */
  limit: number
}

/** Control registers and EFER: what decides how addresses are translated. */
export interface PagingState {
  cr0: bigint
  cr3: bigint
  cr4: bigint
  efer: bigint
}

/** Segment, table and control registers; what `vcpu.getSregs()` returns has them. */
export interface SystemState extends PagingState, Record<SegmentRegister, SegmentState> {
  gdt: TableRegister
  idt: TableRegister
  cr2: bigint
  cr8: bigint
}

/** A stopped vCPU: `{ regs: vcpu.getRegs(), sregs: vcpu.getSregs() }`. */
export interface CpuState {
  regs: Record<GeneralRegister, bigint>
  sregs: SystemState
}

/** General registers that a boot protocol asks for. */
export type EntryRegs = Partial<Record<GeneralRegister, bigint>>

/** Segment, table and control registers, in the shape of `kvm_sregs`. What is left out keeps its reset value. */
export type EntrySregs = Omit<SystemState, 'cr2' | 'cr8'>

/** The state in which the first vCPU enters the guest: plain data for `vcpu.setRegs()` and `vcpu.setSregs()`. */
export interface EntryState {
  regs: EntryRegs
  sregs: EntrySregs
}
