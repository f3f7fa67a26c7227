import type { CpuState, SegmentState } from '../arch/x86/registers.js'
import { hex } from '../format.js'
import type { DeviceMemory } from '../memory/device-memory.js'
import { type CpuMode, cpuMode, linearAddress } from './cpu-state.js'
import { type Disassembler, type Instruction, loadDisassembler, MAX_INSTRUCTION_LENGTH } from './disassemble.js'
import { LinearMemory } from './linear-memory.js'
import type { CpuReport, InstructionReport, SegmentReport } from './report.js'
import { walkStack } from './stack-walk.js'
import type { SymbolTable } from './symbols.js'

const INSTRUCTIONS_BEFORE = 5
const INSTRUCTIONS_FROM_RIP = 6
/** A function is decoded from its symbol on when the instruction pointer is no further behind it. */
const MAX_DECODED_BEFORE = 4096

/** Reports on a stopped vCPU. Nothing that the guest has done to its memory or registers makes it fail. */
export async function inspectCpu(
  state: CpuState,
  memory: DeviceMemory,
  options: { symbols?: SymbolTable } = {},
): Promise<CpuReport> {
  return reportCpu(state, memory, options.symbols, await loadDisassembler())
}

export function reportCpu(
  state: CpuState,
  physical: DeviceMemory,
  symbols: SymbolTable | undefined,
  disassembler: Disassembler,
): CpuReport {
  const { regs, sregs } = state
  const mode = cpuMode(state)
  const memory = new LinearMemory(physical, sregs)
  const { cs, ds, es, fs, gs, ss, tr, ldt, gdt, idt, cr0, cr2, cr3, cr4, cr8, efer } = sregs
  return {
    mode: mode.name,
    codeSize: mode.codeSize,
    cpl: mode.cpl,
    registers: mapValues(regs, hex),
    segments: mapValues({ cs, ds, es, fs, gs, ss, tr, ldt }, reportSegment),
    gdt: { base: hex(gdt.base), limit: hex(gdt.limit) },
    idt: { base: hex(idt.base), limit: hex(idt.limit) },
    control: mapValues({ cr0, cr2, cr3, cr4, cr8, efer }, hex),
    ...reportCode(state, mode, memory, symbols, disassembler),
    stack: walkStack(state, memory, symbols).map(({ address, from }) => ({
      address: hex(address),
      // A call that does not return can be the last instruction of its function.
      ...named('symbol', symbols, address, from === 'rip' ? 0n : 1n),
      from,
    })),
  }
}

function mapValues<Key extends string, From, To>(object: Record<Key, From>, map: (value: From) => To): Record<Key, To> {
  return Object.fromEntries(Object.entries<From>(object).map(([key, value]) => [key, map(value)])) as Record<Key, To>
}

/** `{ [key]: 'main+0x4' }`, or nothing when the address is in no code with a name. */
function named<Key extends string>(
  key: Key,
  symbols: SymbolTable | undefined,
  address: bigint,
  back = 0n,
): Partial<Record<Key, string>> {
  const place = address < back ? undefined : symbols?.lookup(address - back)
  if (place?.code !== true) return {}
  const offset = place.offset + Number(back)
  return { [key]: offset === 0 ? place.name : `${place.name}+${hex(offset)}` } as Partial<Record<Key, string>>
}

function reportCode(
  { regs, sregs }: CpuState,
  { codeSize }: CpuMode,
  memory: LinearMemory,
  symbols: SymbolTable | undefined,
  disassembler: Disassembler,
): Pick<CpuReport, 'code' | 'codeProblem'> {
  const rip = linearAddress(sregs.cs, BigInt.asUintN(codeSize, regs.rip), codeSize)
  const { bytes, problem } = memory.read(rip, INSTRUCTIONS_FROM_RIP * MAX_INSTRUCTION_LENGTH)
  const report = (instruction: Instruction): InstructionReport => ({
    address: hex(instruction.address),
    bytes: Buffer.from(instruction.bytes).toString('hex'),
    ...(instruction.text === undefined ? {} : { text: instruction.text }),
    ...named('symbol', symbols, instruction.address),
    ...(instruction.target === undefined ? {} : named('target', symbols, instruction.target)),
    current: instruction.address === rip,
  })
  const after = disassembler(bytes, { address: rip, codeSize, count: INSTRUCTIONS_FROM_RIP })
  const before = codeBefore(rip, memory, symbols, (code, address) => disassembler(code, { address, codeSize }))
  return {
    code: [...before, ...after].map(report),
    ...(problem !== undefined && after.length < INSTRUCTIONS_FROM_RIP ? { codeProblem: problem } : {}),
  }
}

/** Instructions have no marks at their ends: only decoding from the function's beginning says what lies before. */
function codeBefore(
  rip: bigint,
  memory: LinearMemory,
  symbols: SymbolTable | undefined,
  decode: (code: Uint8Array, address: bigint) => Instruction[],
): Instruction[] {
  const place = symbols?.lookup(rip)
  if (place?.code !== true || place.offset === 0 || place.offset > MAX_DECODED_BEFORE) return []
  const start = rip - BigInt(place.offset)
  const { bytes } = memory.read(start, place.offset)
  if (bytes.length < place.offset) return []
  const decoded = decode(bytes, start)
  // It does not end at the instruction pointer: the guest has jumped into the middle of an instruction.
  if (decoded.at(-1)?.text === undefined) return []
  return decoded.slice(-INSTRUCTIONS_BEFORE)
}

const CODE_SEGMENT = 8

function reportSegment({ base, limit, selector, type, s, l, db, dpl, present, unusable }: SegmentState): SegmentReport {
  const code = `${l !== 0 ? 64 : db !== 0 ? 32 : 16}-bit code`
  const usable = s === 0 ? 'system' : (type & CODE_SEGMENT) !== 0 ? code : 'data'
  const kind = unusable !== 0 ? 'unusable' : present === 0 ? 'not present' : usable
  return { selector: hex(selector), base: hex(base), limit: hex(limit), kind, dpl }
}
