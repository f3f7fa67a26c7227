import type { SegmentState } from '../boot/types.js'

export type GeneralRegister =
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
  | 'rflags'

export type SegmentRegister = 'cs' | 'ds' | 'es' | 'fs' | 'gs' | 'ss' | 'tr' | 'ldt'

/** Control registers and EFER: what decides how addresses are translated. */
export interface PagingState {
  cr0: bigint
  cr3: bigint
  cr4: bigint
  efer: bigint
}

/** Segment, table and control registers; what `vcpu.getSregs()` returns has them. */
export interface SystemState extends PagingState, Record<SegmentRegister, SegmentState> {
  gdt: { base: bigint; limit: number }
  idt: { base: bigint; limit: number }
  cr2: bigint
  cr8: bigint
}

/** A stopped vCPU: `{ regs: vcpu.getRegs(), sregs: vcpu.getSregs() }`. */
export interface CpuState {
  regs: Record<GeneralRegister, bigint>
  sregs: SystemState
}

// Bits of CR0, CR4, EFER and RFLAGS (Intel SDM vol. 3A, 2.3 and 2.5; vol. 4, table 2-2).
export const CR0_PE = 1n << 0n
export const CR0_PG = 1n << 31n
export const CR4_PSE = 1n << 4n
export const CR4_PAE = 1n << 5n
export const CR4_LA57 = 1n << 12n
export const EFER_LMA = 1n << 10n
export const EFER_NXE = 1n << 11n
const RFLAGS_VM = 1n << 17n

/** How many bits instructions work with by default: what a disassembler has to know. */
export type CodeSize = 16 | 32 | 64

/** What kind of code a vCPU is executing. */
export interface CpuMode {
  name: 'real mode' | 'virtual-8086 mode' | 'protected mode' | 'compatibility mode' | '64-bit mode'
  codeSize: CodeSize
  /** The privilege level, 0 (kernel) to 3 (user). */
  cpl: number
}

/** The mode by CR0, EFER, RFLAGS and the code segment (Intel SDM vol. 3A, 2.2). */
export function cpuMode({ regs, sregs }: CpuState): CpuMode {
  const { cs, ss } = sregs
  if ((sregs.cr0 & CR0_PE) === 0n) return { name: 'real mode', codeSize: 16, cpl: 0 }
  if ((regs.rflags & RFLAGS_VM) !== 0n) return { name: 'virtual-8086 mode', codeSize: 16, cpl: 3 }
  const long = (sregs.efer & EFER_LMA) !== 0n
  if (long && cs.l !== 0) return { name: '64-bit mode', codeSize: 64, cpl: ss.dpl }
  return { name: long ? 'compatibility mode' : 'protected mode', codeSize: cs.db === 0 ? 16 : 32, cpl: ss.dpl }
}

/** The linear address of an offset in a segment. In 64-bit mode the bases of CS, DS, ES and SS do not count. */
export function linearAddress(segment: SegmentState, offset: bigint, codeSize: CodeSize): bigint {
  return codeSize === 64 ? offset : BigInt.asUintN(32, segment.base + offset)
}
