/** What a loader needs of guest memory; `GuestMemory` has it. All addresses are guest physical. */
export interface BootMemory {
  write(address: number, bytes: Uint8Array): void
  fill(address: number, length: number, value: number): void
  readonly regions: readonly { readonly at: number; readonly size: number; readonly readonly: boolean }[]
}

/** A segment register with its hidden part, in the shape of `kvm_segment`. */
export interface SegmentState {
  base: bigint
  limit: number
  selector: number
  type: number
  present: number
  dpl: number
  db: number
  s: number
  l: number
  g: number
  avl: number
  unusable: number
}

/** General registers that a protocol asks for. */
export type EntryRegs = Partial<
  Record<
    | 'rax'
    | 'rbx'
    | 'rcx'
    | 'rdx'
    | 'rsi'
    | 'rdi'
    | 'rsp'
    | 'rbp'
    | 'r8'
    | 'r9'
    | 'r10'
    | 'r11'
    | 'r12'
    | 'r13'
    | 'r14'
    | 'r15'
    | 'rip'
    | 'rflags',
    bigint
  >
>

/** Segment, table and control registers, in the shape of `kvm_sregs`. What is left out keeps its reset value. */
export interface EntrySregs {
  cs: SegmentState
  ds: SegmentState
  es: SegmentState
  fs: SegmentState
  gs: SegmentState
  ss: SegmentState
  tr: SegmentState
  ldt: SegmentState
  gdt: { base: bigint; limit: number }
  idt: { base: bigint; limit: number }
  cr0: bigint
  cr3: bigint
  cr4: bigint
  efer: bigint
}

/** The state in which the first vCPU enters the guest: plain data for `vcpu.setRegs()` and `vcpu.setSregs()`. */
export interface EntryState {
  regs: EntryRegs
  sregs: EntrySregs
}

/** A stretch of guest memory that a loader has filled. */
export interface Placed {
  name: string
  start: number
  size: number
}

export interface BootResult {
  entry: EntryState
  /** What was put where, lowest address first. */
  placed: Placed[]
}
