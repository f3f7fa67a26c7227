import type { GeneralRegister, SegmentRegister } from '../arch/x86/registers.js'
import type { ExitReport } from './last-exits.js'

// A post-mortem is plain data that JSON.stringify() takes: addresses and registers are strings like `0x1000`.

/** A segment register with its hidden part. */
export interface SegmentReport {
  selector: string
  base: string
  limit: string
  /** `64-bit code`, `data`, `unusable`, … */
  kind: string
  dpl: number
}

export interface InstructionReport {
  /** Linear. */
  address: string
  /** Hexadecimal digits, two a byte. */
  bytes: string
  /** In Intel's syntax; absent when the bytes are no instruction. */
  text?: string
  /** `main+0x4`: where it is. */
  symbol?: string
  /** `main+0x4`: where a jump or call leads. */
  target?: string
  /** Whether the instruction pointer is here. */
  current: boolean
}

export interface FrameReport {
  /** Linear: of the instruction for the first frame, for the others where the call returns to. */
  address: string
  /** `main+0x4` */
  symbol?: string
  /** See {@link StackFrame}. */
  from: 'rip' | 'frame' | 'scan'
}

/** What a vCPU was doing. */
export interface CpuReport {
  /** `64-bit mode`, `protected mode`, … */
  mode: string
  /** 16, 32 or 64. */
  codeSize: number
  /** Privilege level. */
  cpl: number
  registers: Record<GeneralRegister, string>
  segments: Record<SegmentRegister, SegmentReport>
  gdt: { base: string; limit: string }
  idt: { base: string; limit: string }
  control: Record<'cr0' | 'cr2' | 'cr3' | 'cr4' | 'cr8' | 'efer', string>
  /** The instructions around the instruction pointer. */
  code: InstructionReport[]
  /** Why there are no, or fewer, instructions from the instruction pointer on. */
  codeProblem?: string
  /** Innermost first. */
  stack: FrameReport[]
}

/** A local APIC; vectors are strings like `0xec`. */
export interface LocalApicReport {
  /** Whether software has enabled it. */
  enabled: boolean
  taskPriority: string
  requested: string[]
  inService: string[]
  timer: {
    mode: 'one-shot' | 'periodic' | 'TSC deadline' | 'reserved mode'
    vector: string
    masked: boolean
    initialCount: number
    currentCount: number
  }
}

/** What a vCPU would take, and what is on its way to it. */
export interface InterruptReport {
  /** RFLAGS.IF. */
  enabled: boolean
  /** After `sti` or a load of SS: not before the next instruction. */
  shadow: boolean
  nmiMasked: boolean
  systemManagement: boolean
  /** `exception 14 with error code 0x2`, `interrupt 0x30`, `NMI`, `SMI`, `INIT`. */
  pending: string[]
  localApic: LocalApicReport
}

/** An 8259: bits of its eight inputs, and the vector of the first. */
export interface PicReport {
  vectors: string
  masked: string
  requested: string
  inService: string
}

/** A pin of the I/O APIC. */
export interface PinReport {
  pin: number
  vector: string
  delivery: string
  trigger: 'edge' | 'level'
  masked: boolean
  requested: boolean
}

export interface InterruptControllersReport {
  master: PicReport
  slave: PicReport
  pins: PinReport[]
}

export interface VcpuReport {
  id: number
  /** KVM_GET_MP_STATE: `runnable`, `halted`, `uninitialized`, … */
  mpState?: string
  cpu?: CpuReport
  /** What it would take, and what is on its way to it. */
  interrupts?: InterruptReport
  /** Why something is missing, or not what it seems. */
  problem?: string
}

/** What is left of a guest. */
export interface PostMortem {
  /** `outcome.kind`; absent when the run has none yet, or has failed. */
  outcome?: string
  /** The outcome in a sentence. */
  summary: string
  /** What this host's KVM may have to do with it, in a sentence; absent where that cannot be the reason. */
  host?: string
  /** The vCPU with which it ended. */
  vcpu: number
  vcpus: VcpuReport[]
  /** The interrupt controllers that the vCPUs share. */
  controllers?: InterruptControllersReport
  /** How far the guest runs from where its symbols are linked; absent without symbols, or when that was not found out. */
  slide?: string
  /** The last exits that the machine's devices and its handler have seen, oldest first. */
  exits: ExitReport[]
  /** The last lines on the serial lines. */
  console: string[]
}
