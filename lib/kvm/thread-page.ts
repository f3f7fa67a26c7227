import { binding } from './binding.js'
import type { Listener } from './register-page.js'

// struct ThreadPage and struct PostedWrite of native/vcpu_thread.h.
const AT = binding.threadPage
const LENGTHS = AT.dataSize + 1

/** What a vCPU's thread shows to JavaScript. */
export class ThreadPage {
  readonly #open: () => ArrayBuffer
  readonly #data: DataView
  // What listeners get is of another ArrayBuffer, so that nothing that they do to it disturbs the library's own.
  #shown: ArrayBuffer
  // Views of the ring's data by entry and length, made once each.
  #views: (Uint8Array | undefined)[] = []

  /** `open` makes an ArrayBuffer over the page. */
  constructor(open: () => ArrayBuffer) {
    this.#open = open
    this.#data = new DataView(open())
    this.#shown = open()
  }

  /** A RunResult, or -errno. */
  get result(): number {
    return this.#data.getInt32(AT.result, true)
  }

  /** Whether JavaScript has the turn; else there are only posted writes to deliver. */
  get exitOffered(): boolean {
    return this.#data.getUint32(AT.exitOffered, true) !== 0
  }

  /**
   * Hands the posted writes to their listeners, in order. Cells that are gone by now have none. When a listener throws,
   * the others still get what is theirs.
   */
  deliver(listeners: ReadonlyMap<number, Listener>, onError: (error: unknown) => void): void {
    const count = this.#data.getUint32(AT.postedCount, true)
    const first = this.#data.getUint32(AT.postedFirst, true)
    // Those in a row that have one listener go there together: entering its context is not done for each.
    const together = (next: number, id: number, listener: Listener): number => {
      do this.#hand((first + next) % AT.entries, listener, onError)
      while (++next < count && !this.#closed && this.#listener((first + next) % AT.entries) === id && listeners.has(id))
      return next
    }
    // A listener may have closed the VM, and with it this page.
    for (let next = 0; next < count && !this.#closed;) {
      const id = this.#listener((first + next) % AT.entries)
      const listener = listeners.get(id)
      next = listener === undefined ? next + 1 : listener.context(together, next, id, listener)
    }
  }

  get #closed(): boolean {
    return this.#data.buffer.byteLength === 0
  }

  #listener(entry: number): number {
    return this.#data.getUint32(AT.ring + entry * AT.entrySize + AT.listener, true)
  }

  #hand(entry: number, { call, start: mapped }: Listener, onError: (error: unknown) => void): void {
    const start = AT.ring + entry * AT.entrySize
    const length = this.#data.getUint32(start + AT.length, true)
    const offset = Number(this.#data.getBigUint64(start + AT.address, true)) - mapped
    try {
      call(offset, this.#view(entry, start, length))
    } catch (error) {
      onError(error)
    }
  }

  #view(entry: number, start: number, length: number): Uint8Array {
    const slot = entry * LENGTHS + length
    const made = this.#views[slot]
    if (made?.length === length) return made
    if (this.#shown.byteLength === 0) {
      this.#shown = this.#open()
      this.#views = []
    }
    return (this.#views[slot] = new Uint8Array(this.#shown, start + AT.data, length))
  }
}
