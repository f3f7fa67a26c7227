// A guest's accesses to ports and memory, as 64-bit code.

/** Of string I/O; memory ends long after it. */
const BUFFER = 0x4_0000

export type Access =
  | { kind: 'port'; port: number; width: 1 | 2 | 4; write: boolean; value: bigint }
  | { kind: 'string'; port: number; width: 1 | 2 | 4; write: boolean; count: number }
  | { kind: 'memory'; address: number; width: 1 | 2 | 4 | 8; write: boolean; value: bigint }

export const imm32 = (value: number) => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24]
const imm64 = (value: bigint) => [...imm32(Number(value & 0xffff_ffffn)), ...imm32(Number(value >> 32n))]
const prefix = { 1: [], 2: [0x66], 4: [], 8: [0x48] } as const

/** The access as 64-bit code. */
export function codeOf(access: Access): number[] {
  const operand = prefix[access.width]
  const wide = access.width === 1 ? 0 : 1
  switch (access.kind) {
    case 'port': // mov edx, port; mov rax, value; out dx, al/ax/eax, or in
      return [
        ...[0xba, ...imm32(access.port), 0x48, 0xb8, ...imm64(access.value)],
        ...[...operand, (access.write ? 0xee : 0xec) + wide],
      ]
    case 'string': // mov edx, port; mov ecx, count; mov esi/edi, BUFFER; rep outsb/w/d, or ins
      return [
        ...[0xba, ...imm32(access.port), 0xb9, ...imm32(access.count)],
        ...[access.write ? 0xbe : 0xbf, ...imm32(BUFFER)],
        ...[0xf3, ...operand, (access.write ? 0x6e : 0x6c) + wide],
      ]
    case 'memory': // mov ebx, address; mov rax, value; mov [rbx], al/ax/eax/rax, or the other way
      return [
        ...[0xbb, ...imm32(access.address), 0x48, 0xb8, ...imm64(access.value)],
        ...[...operand, (access.write ? 0x88 : 0x8a) + wide, 0x03],
      ]
  }
}
