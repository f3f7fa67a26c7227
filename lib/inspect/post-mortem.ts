import { CR0 } from '../arch/x86/register-bits.js'
import type { CpuState } from '../arch/x86/registers.js'
import { hex } from '../format.js'
import type { DeviceMemory } from '../memory/device-memory.js'
import type { Disassembler } from './disassemble.js'
import { reportCpu } from './inspect-cpu.js'
import {
  type InterruptControllersState,
  type InterruptState,
  reportControllers,
  reportInterrupts,
} from './interrupts.js'
import { findKernelSlide } from './kernel-slide.js'
import { LinearMemory } from './linear-memory.js'
import type { PostMortem, VcpuReport } from './report.js'
import type { SymbolTable } from './symbols.js'

/** What could be read of a vCPU. */
export interface VcpuRemains {
  id: number
  mpState?: string
  /** Its registers, or why there are none. */
  state: CpuState | Error
  interrupts?: InterruptState
}

/** What is left of a guest, as its machine has it. */
export interface Remains extends Omit<PostMortem, 'vcpus' | 'slide' | 'controllers'> {
  controllers?: InterruptControllersState
  vcpus: readonly VcpuRemains[]
  memory: DeviceMemory
}

/** Makes the report. */
export function examine(
  { vcpus, memory, controllers, ...rest }: Remains,
  symbols: SymbolTable | undefined,
  disassembler: Disassembler,
): PostMortem {
  const slide = symbols?.slide ?? (symbols === undefined ? undefined : findSlide(vcpus, memory, symbols))
  const placed = slide === undefined ? symbols : symbols?.withSlide(slide)
  return {
    ...rest,
    ...(slide === undefined ? {} : { slide: hex(slide) }),
    ...(controllers === undefined ? {} : { controllers: reportControllers(controllers) }),
    vcpus: vcpus.map(({ id, mpState, state, interrupts }): VcpuReport => {
      const common = { id, ...(mpState === undefined ? {} : { mpState }) }
      if (state instanceof Error) return { ...common, problem: state.message }
      const lost = rest.outcome === 'triple-fault' && id === rest.vcpu && isReset(state)
      return {
        ...common,
        cpu: reportCpu(state, memory, placed, disassembler),
        ...(interrupts === undefined ? {} : { interrupts: reportInterrupts(interrupts, state.regs.rflags) }),
        ...(lost
          ? { problem: 'this is the state after a reset: this processor does not keep that of a triple fault' }
          : {}),
      }
    }),
  }
}

/** Any vCPU will do that runs the kernel on its own IDT. */
function findSlide(vcpus: readonly VcpuRemains[], memory: DeviceMemory, symbols: SymbolTable): bigint | undefined {
  for (const { state } of vcpus) {
    if (state instanceof Error) continue
    const slide = findKernelSlide(new LinearMemory(memory, state.sregs), state.sregs, symbols)
    if (slide !== undefined) return slide
  }
  return undefined
}

/** AMD's processors leave no state behind on a shutdown, and KVM resets the vCPU there (Intel SDM vol. 3A, table 10-1). */
function isReset({ regs, sregs }: CpuState): boolean {
  return regs.rip === 0xfff0n && sregs.cs.base === 0xffff_0000n && (sregs.cr0 & CR0.PE) === 0n
}
