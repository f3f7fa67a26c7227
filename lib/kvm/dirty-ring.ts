import { KVM_DIRTY_GFN_F_DIRTY, KVM_DIRTY_GFN_F_RESET, kvm_dirty_gfn } from './generated/common.js'

const WORDS = kvm_dirty_gfn.size / 4
const [FLAGS = 0, SLOT = 0, OFFSET = 0] = ['flags', 'slot', 'offset'].map(
  (name) => (kvm_dirty_gfn.member(name)?.offset ?? 0) / 4,
)

/** The ring in which the kernel names the pages that one vCPU has written, struct kvm_dirty_gfn each (KVM API, KVM_CAP_DIRTY_LOG_RING). */
export class DirtyRing {
  readonly entries: number
  readonly #words: Int32Array
  #next = 0

  constructor(buffer: ArrayBuffer) {
    this.#words = new Int32Array(buffer)
    this.entries = this.#words.length / WORDS
  }

  /**
   * Takes what is in it, at most one turn of the ring: calls `take` with the slot and the page's number in it, and leaves the entry
   * to KVM_RESET_DIRTY_RINGS. The kernel may write meanwhile: it publishes an entry by its flags, and takes it back by them.
   */
  collect(take: (slot: number, page: number) => void): number {
    for (let count = 0; ; count++) {
      const at = this.#next * WORDS
      const flags = Atomics.load(this.#words, at + FLAGS)
      if (count === this.entries || (flags & (KVM_DIRTY_GFN_F_DIRTY | KVM_DIRTY_GFN_F_RESET)) !== KVM_DIRTY_GFN_F_DIRTY)
        return count
      const low = (this.#words[at + OFFSET] ?? 0) >>> 0
      const high = (this.#words[at + OFFSET + 1] ?? 0) >>> 0
      take((this.#words[at + SLOT] ?? 0) & 0xffff, high * 2 ** 32 + low)
      Atomics.store(this.#words, at + FLAGS, flags | KVM_DIRTY_GFN_F_RESET)
      this.#next = (this.#next + 1) % this.entries
    }
  }
}
