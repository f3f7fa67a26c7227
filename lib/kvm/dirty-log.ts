/** Which pages of a region the guest has written since the last call (KVM API, KVM_GET_DIRTY_LOG). */
export class DirtyLog implements Iterable<number> {
  /** One bit a page, lowest page in the lowest bit of the first byte. */
  readonly bitmap: Uint8Array
  /** Bytes in a page. */
  readonly pageSize: number
  /** Guest physical address of the region. */
  readonly at: number

  /** @internal */
  constructor(at: number, pageSize: number, bitmap: Uint8Array) {
    this.at = at
    this.pageSize = pageSize
    this.bitmap = bitmap
  }

  /** How many pages are dirty. */
  get count(): number {
    let count = 0
    for (const page of this) count += page >= 0 ? 1 : 0
    return count
  }

  /** The guest physical addresses of the dirty pages, in order. */
  *[Symbol.iterator](): Iterator<number> {
    for (const [index, byte] of this.bitmap.entries()) {
      for (let bit = 0; byte >> bit !== 0; bit++) {
        if ((byte >> bit) & 1) yield this.at + (index * 8 + bit) * this.pageSize
      }
    }
  }
}
