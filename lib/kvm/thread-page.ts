import type { PostedListener } from './fast-access.js'

// struct ThreadPage and struct PostedWrite of native/vcpu_thread.h.
const RESULT = 0
const EXIT_OFFERED = 4
const POSTED_FIRST = 8
const POSTED_COUNT = 12
const RING = 16
const ENTRY_SIZE = 32
const ENTRY_RANGE = 0
const ENTRY_LENGTH = 4
const ENTRY_OFFSET = 8
const ENTRY_DATA = 16
const LENGTHS = 9

/** What a vCPU's thread shows to JavaScript. */
export class ThreadPage {
  readonly #data: DataView
  readonly #buffer: ArrayBuffer
  readonly #entries: number
  // Views of the ring's data by entry and length, made once each.
  readonly #views: (Uint8Array | undefined)[] = []

  constructor(buffer: ArrayBuffer) {
    this.#buffer = buffer
    this.#data = new DataView(buffer)
    this.#entries = Math.floor((buffer.byteLength - RING) / ENTRY_SIZE)
  }

  /** A RunResult, or -errno. */
  get result(): number {
    return this.#data.getInt32(RESULT, true)
  }

  /** Whether JavaScript has the turn; else there are only posted writes to deliver. */
  get exitOffered(): boolean {
    return this.#data.getUint32(EXIT_OFFERED, true) !== 0
  }

  /**
   * Hands the posted writes to their listeners, in order. A range that is gone by now has none. When a listener throws,
   * the others still get what is theirs.
   */
  deliver(listeners: ReadonlyMap<number, PostedListener>, onError: (error: unknown) => void): void {
    const count = this.#data.getUint32(POSTED_COUNT, true)
    const first = this.#data.getUint32(POSTED_FIRST, true)
    for (let index = 0; index < count; index++) {
      // A listener may have closed the VM, and with it this page.
      if (this.#buffer.byteLength === 0) return
      const entry = (first + index) % this.#entries
      const start = RING + entry * ENTRY_SIZE
      const listener = listeners.get(this.#data.getUint32(start + ENTRY_RANGE, true))
      if (listener === undefined) continue
      const length = this.#data.getUint32(start + ENTRY_LENGTH, true)
      const offset = Number(this.#data.getBigUint64(start + ENTRY_OFFSET, true))
      const slot = entry * LENGTHS + length
      const data = (this.#views[slot] ??= new Uint8Array(this.#buffer, start + ENTRY_DATA, length))
      try {
        listener(offset, data)
      } catch (error) {
        onError(error)
      }
    }
  }
}
