import { CR0, EFER, RFLAGS } from '../arch/x86/register-bits.js'
import type { CpuState, SegmentState } from '../arch/x86/registers.js'

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
  if ((sregs.cr0 & CR0.PE) === 0n) return { name: 'real mode', codeSize: 16, cpl: 0 }
  if ((regs.rflags & RFLAGS.VM) !== 0n) return { name: 'virtual-8086 mode', codeSize: 16, cpl: 3 }
  const long = (sregs.efer & EFER.LMA) !== 0n
  if (long && cs.l !== 0) return { name: '64-bit mode', codeSize: 64, cpl: ss.dpl }
  return { name: long ? 'compatibility mode' : 'protected mode', codeSize: cs.db === 0 ? 16 : 32, cpl: ss.dpl }
}

/** The linear address of an offset in a segment. In 64-bit mode the bases of CS, DS, ES and SS do not count. */
export function linearAddress(segment: SegmentState, offset: bigint, codeSize: CodeSize): bigint {
  return codeSize === 64 ? offset : BigInt.asUintN(32, segment.base + offset)
}
