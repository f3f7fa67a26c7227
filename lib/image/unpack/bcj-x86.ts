// The x86 filter of xz (XZ file format, 5.3.2, filter 0x04): the packer turned the relative targets of calls and jumps
// into absolute ones, which repeat more often. This turns them back.

/** 0xe8 is call, 0xe9 jmp. */
const isCallOrJump = (byte: number | undefined) => byte === 0xe8 || byte === 0xe9
/** An instruction and its 32-bit operand. */
const LENGTH = 5

/** Targets are only converted when they reach less than 16 MiB, and so have a highest byte of these. */
const isSignByte = (byte: number | undefined) => byte === 0x00 || byte === 0xff

/**
 * By the number of candidate bytes among the three before an operand: whether it may be an operand at all, and which
 * byte of it decides.
 */
const MASK_ALLOWED = [true, true, true, false, true, false, false, false]
const MASK_BIT = [0, 1, 2, 2, 3, 3, 3, 3]

/** Undoes the filter in place, over a whole block. */
export function undoX86Filter(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let mask = 0
  let last = -1 // the last candidate
  const end = bytes.length - LENGTH + 1
  for (let at = 0; at < end; at++) {
    if (!isCallOrJump(bytes[at])) continue
    const distance = at - last
    last = at
    mask = distance > 3 ? 0 : (mask << (distance - 1)) & 7
    if (mask !== 0) {
      const byte = bytes[at + 4 - (MASK_BIT[mask] ?? 0)]
      if (MASK_ALLOWED[mask] !== true || isSignByte(byte)) {
        mask = (mask << 1) | 1
        continue
      }
    }
    if (!isSignByte(bytes[at + 4])) {
      mask = (mask << 1) | 1
      continue
    }
    view.setUint32(at + 1, targetOf(view.getUint32(at + 1, true), at, mask), true)
    at += LENGTH - 1
    mask = 0
  }
}

/** `position` is the instruction's; targets count from the one after it. */
function targetOf(absolute: number, position: number, mask: number): number {
  let source = absolute
  for (;;) {
    const target = (source - (position + LENGTH)) >>> 0
    if (mask === 0) return signExtend(target)
    const shift = (MASK_BIT[mask] ?? 0) * 8
    const byte = (target >>> (24 - shift)) & 0xff
    if (!isSignByte(byte)) return signExtend(target)
    source = (target ^ (2 ** (32 - shift) - 1)) >>> 0
  }
}

/** 25 bits with a sign. */
const signExtend = (target: number): number => ((target << 7) >> 7) >>> 0
