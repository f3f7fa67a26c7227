import type { StateReader } from '../state.js'

// A 64-bit number in a state, which JSON is to carry: its lower half and its upper half.

export const words = (value: bigint): number[] => [
  Number(BigInt.asUintN(32, value)),
  Number(BigInt.asUintN(32, value >> 32n)),
]

export function readWords(reader: StateReader, member: string): bigint {
  const [low = 0, high = 0] = reader.integers(member, 2, 0xffff_ffff, true)
  return BigInt(low) | (BigInt(high) << 32n)
}
