import type { CodeSize } from './cpu-state.js'
import type { LinearMemory } from './linear-memory.js'

// Opcodes and ModR/M (Intel SDM vol. 2A, 2.1).
const CALL_RELATIVE = 0xe8
const GROUP_5 = 0xff
const GROUP_5_CALL = 2
const SIB_FOLLOWS = 4

/** The longest call without prefixes: FF /2 with a SIB byte and a displacement of 32 bits. */
const LONGEST_CALL = 7
const SHORTEST_CALL = 2

/** Whether a near call ends right before an address, as it does before every return address. */
export function followsCall(memory: LinearMemory, address: bigint, codeSize: CodeSize): boolean {
  const relative = codeSize === 16 ? 3 : 5
  // Most words on a stack point to nothing: that is found out first, by a single read.
  const shortest = BigInt(SHORTEST_CALL)
  if (address < shortest || memory.read(address - shortest, SHORTEST_CALL).bytes.length < SHORTEST_CALL) return false
  // What lies before may be unmapped, so the shorter forms are read on their own where the longest cannot be.
  for (let length = LONGEST_CALL; length >= SHORTEST_CALL; length--) {
    if (address < BigInt(length)) continue
    const { bytes } = memory.read(address - BigInt(length), length)
    if (bytes.length < length) continue
    if (length >= relative && bytes[length - relative] === CALL_RELATIVE) return true
    for (let at = 0; at <= length - 2; at++) {
      const modrm = bytes[at + 1] ?? 0
      if (
        bytes[at] === GROUP_5 &&
        ((modrm >> 3) & 7) === GROUP_5_CALL &&
        length - at === indirectLength(bytes, at, codeSize)
      ) {
        return true
      }
    }
    return false
  }
  return false
}

/** How many bytes an FF with this ModR/M takes. */
function indirectLength(bytes: Uint8Array, at: number, codeSize: CodeSize): number {
  const modrm = bytes[at + 1] ?? 0
  const mod = modrm >> 6
  const rm = modrm & 7
  if (mod === 3) return 2
  if (codeSize === 16) return 2 + (mod === 0 && rm === 6 ? 2 : mod)
  const sib = rm === SIB_FOLLOWS ? 1 : 0
  const base = sib === 1 ? (bytes[at + 2] ?? 0) & 7 : rm
  return 2 + sib + (mod === 1 ? 1 : mod === 2 || base === 5 ? 4 : 0)
}

const ENDBR64 = [0xf3, 0x0f, 0x1e, 0xfa]
const PUSH_BP = 0x55
const RET = 0xc3
const RET_POP = 0xc2

/**
 * Where the return address is when a function has not set up its frame yet, or has left it already: in words from the top of
 * the stack. Undefined when the frame pointer leads to it. `offset` is how far into its function `rip` is, where known.
 */
export function returnSlot(memory: LinearMemory, rip: bigint, offset: number | undefined): number | undefined {
  const [first] = memory.read(rip, 1).bytes
  // A call to where nothing is, or a function about to return.
  if (first === undefined || first === RET || first === RET_POP) return 0
  if (offset === undefined || offset > ENDBR64.length + 1) return undefined
  const { bytes } = memory.read(rip - BigInt(offset), ENDBR64.length + 1)
  const push = ENDBR64.every((byte, at) => bytes[at] === byte) ? ENDBR64.length : 0
  if (offset === 0) return 0
  if (bytes[push] !== PUSH_BP) return undefined
  if (offset <= push) return 0
  return offset === push + 1 ? 1 : undefined
}
