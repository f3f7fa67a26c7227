/**
 * Guest memory in pieces, as one stretch of bytes: a part of a chain. The pieces are the memory itself, without a copy. Another
 * vCPU may change it at any moment: what is checked is a {@link copy}.
 */
export class Buffers {
  static readonly EMPTY = new Buffers([])

  readonly pieces: readonly Uint8Array[]
  /** In bytes. */
  readonly length: number

  constructor(pieces: readonly Uint8Array[]) {
    this.pieces = pieces
    let length = 0
    for (const piece of pieces) length += piece.length
    this.length = length
  }

  /** The bytes from `start` to before `end`; what lies past the end is left out. */
  slice(start: number, end = this.length): Buffers {
    if (start <= 0 && end >= this.length) return this
    const pieces: Uint8Array[] = []
    let at = 0
    for (const piece of this.pieces) {
      if (at >= end) break
      const from = Math.max(start - at, 0)
      if (from < Math.min(piece.length, end - at)) pieces.push(piece.subarray(from, end - at))
      at += piece.length
    }
    return new Buffers(pieces)
  }

  /** A copy of the bytes from `start` to before `end`; shorter where there are fewer. */
  copy(start = 0, end = this.length): Uint8Array {
    const part = this.slice(start, end)
    const bytes = new Uint8Array(part.length)
    let done = 0
    for (const piece of part.pieces) {
      bytes.set(piece, done)
      done += piece.length
    }
    return bytes
  }

  /** Writes `bytes` from `start` on, as far as there is room. Returns how many were written. */
  set(bytes: Uint8Array, start = 0): number {
    const { pieces } = this.slice(start, start + bytes.length)
    let done = 0
    for (const piece of pieces) {
      piece.set(bytes.subarray(done, done + piece.length))
      done += piece.length
    }
    return done
  }

  fill(value: number): void {
    for (const piece of this.pieces) piece.fill(value)
  }
}
