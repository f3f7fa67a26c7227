/**
 * Why did it die: a stopped guest's registers, instructions and calls, with the names of its functions. Works on plain
 * state and any memory that can be read by physical address; `Machine` puts a whole report together.
 *
 * @packageDocumentation
 */
export { printable } from '../format.js'
export { GENERAL_REGISTERS, SEGMENT_REGISTERS } from '../arch/x86/registers.js'
export type {
  CpuState,
  GeneralRegister,
  PagingState,
  SegmentRegister,
  SegmentState,
  SystemState,
  TableRegister,
} from '../arch/x86/registers.js'
export type { CodeSize } from './cpu-state.js'
export { disassemble, type DisassembleOptions, type Instruction } from './disassemble.js'
export { formatPostMortem } from './format.js'
export { inspectCpu } from './inspect-cpu.js'
export type { ExitReport } from './last-exits.js'
export { LinearMemory, type LinearRead } from './linear-memory.js'
export { parseSymbols, readSymbols, type SymbolOptions } from './read-symbols.js'
export type {
  CpuReport,
  FrameReport,
  InstructionReport,
  InterruptControllersReport,
  InterruptReport,
  LocalApicReport,
  PicReport,
  PinReport,
  PostMortem,
  SegmentReport,
  VcpuReport,
} from './report.js'
export { type StackFrame, walkStack } from './stack-walk.js'
export { type SymbolPlace, SymbolTable } from './symbols.js'
export { type MappedAddress, translate, type Translation, type UnmappedAddress } from './translate.js'
