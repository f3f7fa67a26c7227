import { MAX_FRAME, MIN_FRAME } from './header.js'

const LENGTH_SIZE = 4

/** Cuts a stream into frames, each of which has its length before it. It holds no more than one frame and what came with it. */
export class FrameReader {
  readonly #deliver: (frame: Uint8Array) => boolean
  #rest: Uint8Array = new Uint8Array(0)

  /** `deliver` returns false when there is no room; it gets that frame again. */
  constructor(deliver: (frame: Uint8Array) => boolean) {
    this.#deliver = deliver
  }

  /** Takes what has come. Returns false when no more is to come before {@link resume} has returned true. */
  add(chunk: Uint8Array): boolean {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    return this.resume()
  }

  resume(): boolean {
    const view = new DataView(this.#rest.buffer, this.#rest.byteOffset, this.#rest.length)
    let done = 0
    let hasRoom = true
    while (hasRoom && this.#rest.length - done >= LENGTH_SIZE) {
      const length = view.getUint32(done)
      if (length < MIN_FRAME || length > MAX_FRAME) {
        throw new RangeError(`the peer says that it sends a frame of ${length} bytes`)
      }
      const end = done + LENGTH_SIZE + length
      if (end > this.#rest.length) break
      hasRoom = this.#deliver(this.#rest.subarray(done + LENGTH_SIZE, end))
      if (hasRoom) done = end
    }
    this.#rest = this.#rest.subarray(done)
    return hasRoom
  }

  clear(): void {
    this.#rest = new Uint8Array(0)
  }
}
