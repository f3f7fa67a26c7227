// Tiny guests as machine code. Each snippet is one instruction, or a few, of 16-bit real mode unless it says otherwise;
// `assemble` puts them in a row.

type Code = readonly number[]

const word = (value: number): Code => [value & 0xff, (value >> 8) & 0xff]
const dword = (value: number): Code => [...word(value), ...word(value >>> 16)]

/** Width of an access in bytes, with what each needs in front of an opcode in real mode. */
export type Width = 1 | 2 | 4
const OPERAND_SIZE: Record<Width, Code> = { 1: [], 2: [], 4: [0x66] }
// The lowest bit of most opcodes: 0 for bytes.
const wide = (opcode: number, width: Width): number => (width === 1 ? opcode : opcode + 1)

export function assemble(...parts: readonly Code[]): Uint8Array {
  return Uint8Array.from(parts.flat())
}

export const HLT: Code = [0xf4]
/** jmp to itself: a guest that never exits. */
export const SPIN: Code = [0xeb, 0xfe]
export const NOP: Code = [0x90]
export const CLI: Code = [0xfa]
export const STI: Code = [0xfb]
export const IRET: Code = [0xcf]
/** Raises #UD. */
export const UD2: Code = [0x0f, 0x0b]
export const INT3: Code = [0xcc]
export const CPUID: Code = [0x0f, 0xa2]
export const RDMSR: Code = [0x0f, 0x32]
export const WRMSR: Code = [0x0f, 0x30]
/** Waits for the x87 unit; KVM's instruction emulator does not know it. */
export const FWAIT: Code = [0x9b]
/** jmp backwards over `length` bytes of code and itself. */
export const jumpBack = (length: number): Code => [0xeb, (256 - length - 2) & 0xff]

/** dec cx, and backwards over `length` bytes of code and itself unless it is 0 now. */
export const decCxJnzBack = (length: number): Code => [0x49, 0x75, (256 - length - 3) & 0xff]
/** inc al */
export const INC_AL: Code = [0xfe, 0xc0]
/** movsb: from ds:si to es:di */
export const MOVSB: Code = [0xa4]
export const REP: Code = [0xf3]
/** or byte es:[offset], value: a read and then a write */
export const orByte = (offset: number, value: number): Code => [0x26, 0x80, 0x0e, ...word(offset), value]

export const movAl = (value: number): Code => [0xb0, value]
export const movAx = (value: number): Code => [0xb8, ...word(value)]
export const movCx = (value: number): Code => [0xb9, ...word(value)]
export const movDx = (value: number): Code => [0xba, ...word(value)]
export const movSi = (value: number): Code => [0xbe, ...word(value)]
export const movDi = (value: number): Code => [0xbf, ...word(value)]
export const movEax = (value: number): Code => [0x66, 0xb8, ...dword(value)]
export const movEcx = (value: number): Code => [0x66, 0xb9, ...dword(value)]
/** xor eax, eax */
export const CLEAR_EAX: Code = [0x66, 0x31, 0xc0]
/** inc ax */
export const INC_AX: Code = [0x40]
/** mov es, segment (through ax) */
export const movEs = (segment: number): Code => [...movAx(segment), 0x8e, 0xc0]

/** in al/ax/eax, dx */
export const inDx = (width: Width): Code => [...OPERAND_SIZE[width], wide(0xec, width)]
/** out dx, al/ax/eax */
export const outDx = (width: Width): Code => [...OPERAND_SIZE[width], wide(0xee, width)]
/** out port, al */
export const outAl = (port: number): Code => [0xe6, port]
/** rep ins to es:di, cx times */
export const repIns = (width: Width): Code => [...OPERAND_SIZE[width], 0xf3, wide(0x6c, width)]
/** rep outs from ds:si, cx times */
export const repOuts = (width: Width): Code => [...OPERAND_SIZE[width], 0xf3, wide(0x6e, width)]

/** mov al/ax/eax, es:[offset] */
export const load = (width: Width, offset: number): Code => [
  0x26,
  ...OPERAND_SIZE[width],
  wide(0xa0, width),
  ...word(offset),
]
/** mov es:[offset], al/ax/eax */
export const store = (width: Width, offset: number): Code => [
  0x26,
  ...OPERAND_SIZE[width],
  wide(0xa2, width),
  ...word(offset),
]
/** mov byte es:[offset], value */
export const storeByte = (offset: number, value: number): Code => [0x26, 0xc6, 0x06, ...word(offset), value]

/** Points the master PIC's inputs at vectors 0x20 to 0x27 and lets all of them through (8259A data sheet, ICW1-4). */
export const PROGRAM_PIC: Code = [
  ...[...movAl(0x11), ...outAl(0x20)],
  ...[...movAl(0x20), ...outAl(0x21)],
  ...[...movAl(0x04), ...outAl(0x21)],
  ...[...movAl(0x01), ...outAl(0x21)],
  ...[...movAl(0x00), ...outAl(0x21)],
]
/** Tells the master PIC that the interrupt has been served. */
export const END_OF_INTERRUPT: Code = [...movAl(0x20), ...outAl(0x20)]

/** 64-bit mode: mov rax, [address] and mov [address], rax with a 64-bit address. */
export const load64 = (address: number): Code => [0x48, 0xa1, ...dword(address), ...dword(address / 2 ** 32)]
export const store64 = (address: number): Code => [0x48, 0xa3, ...dword(address), ...dword(address / 2 ** 32)]
/** 64-bit mode: mov al, [address] and mov [address], al. */
export const load8 = (address: number): Code => [0xa0, ...dword(address), ...dword(address / 2 ** 32)]
export const store8 = (address: number): Code => [0xa2, ...dword(address), ...dword(address / 2 ** 32)]
