import { checkBytes, checkInteger, checkOptions, checkUint64, invalidArgument } from '../validate.js'
import type { CodeSize } from './cpu-state.js'

export interface DisassembleOptions {
  /** Of the first byte: the instruction pointer, which relative branches count from. */
  address: bigint
  /** 16, 32 or 64, as the code segment says. */
  codeSize: CodeSize
  /** How many instructions at most. Default: as many as there are bytes for. */
  count?: number
}

export interface Instruction {
  address: bigint
  bytes: Uint8Array
  /** In Intel's syntax. Undefined: the bytes are no instruction, or end in the middle of one. */
  text?: string
  /** Where a jump or call with a fixed target leads. */
  target?: bigint
}

/** The longest instruction of x86, in bytes. */
export const MAX_INSTRUCTION_LENGTH = 15

/** Decodes machine code. */
export type Disassembler = (bytes: Uint8Array, options: DisassembleOptions) => Instruction[]

/** Loads iced-x86, which is WebAssembly and takes some 60 ms the first time: hence not before it is needed. */
export async function loadDisassembler(): Promise<Disassembler> {
  const iced = await import('iced-x86')
  return (bytes, options) => {
    checkBytes('bytes', bytes)
    checkOptions('options', options, ['address', 'codeSize', 'count'])
    const { codeSize } = options
    if (![16, 32, 64].includes(codeSize)) throw invalidArgument('codeSize', codeSize, '16, 32 or 64')
    const address = checkUint64('address', options.address)
    const count = checkInteger('count', options.count ?? bytes.length, 0, 2 ** 32)
    const decoder = new iced.Decoder(codeSize, bytes, iced.DecoderOptions.None)
    const formatter = new iced.Formatter(iced.FormatterSyntax.Intel)
    try {
      formatter.hexPrefix = '0x'
      formatter.hexSuffix = ''
      formatter.uppercaseHex = false
      formatter.spaceAfterOperandSeparator = true
      formatter.branchLeadingZeros = false
      formatter.showBranchSize = false
      // In decimal, it prints numbers whose low 32 bits are small as if the high ones were 0.
      formatter.smallHexNumbersInDecimal = false
      decoder.ip = address
      const instructions: Instruction[] = []
      while (instructions.length < count && decoder.canDecode) {
        const start = decoder.position
        const decoded = decoder.decode()
        try {
          const instruction = { address: decoded.ip, bytes: bytes.slice(start, decoder.position) }
          const near = iced.OpKind.NearBranch16 <= decoded.op0Kind && decoded.op0Kind <= iced.OpKind.NearBranch64
          if (decoded.isInvalid) instructions.push(instruction)
          else {
            const text = formatter.format(decoded)
            instructions.push({ ...instruction, text, ...(near ? { target: decoded.nearBranchTarget } : {}) })
          }
        } finally {
          decoded.free()
        }
      }
      return instructions
    } finally {
      formatter.free()
      decoder.free()
    }
  }
}

/** Decodes machine code of x86, in order. Bytes that are no instruction have no text, and decoding goes on behind them. */
export async function disassemble(bytes: Uint8Array, options: DisassembleOptions): Promise<Instruction[]> {
  return (await loadDisassembler())(bytes, options)
}
