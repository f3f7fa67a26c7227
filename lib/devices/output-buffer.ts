import { checkInteger, checkOptions, invalidArgument } from '../validate.js'

/** Where a device's output goes. `bytes` is valid during the call only; the call must not block. */
export type Output = (bytes: Uint8Array) => void

export interface OutputBufferOptions {
  /**
   * Takes a piece of output, to keep. `false` says: no more until {@link OutputBuffer.resume} is called, which is what a
   * Node stream's `write()` returns and its `'drain'` event tells.
   */
  write: (bytes: Uint8Array) => boolean
  /** How many bytes wait at most; what comes on top is dropped and counted. Default: 1 MiB. */
  limit?: number
  /** Runs the function soon. Default: `setImmediate`. */
  defer?: (run: () => void) => void
}

const DEFAULT_LIMIT = 1024 * 1024
const PIECE = 64 * 1024

/**
 * Collects the single bytes that devices put out into pieces for a stream, and holds them back while the stream is full. A
 * guest can neither fill the host's memory with it nor be stopped by it: past the limit its output is lost.
 */
export class OutputBuffer {
  readonly limit: number
  /** How many bytes have been lost because nobody took them. */
  dropped = 0
  readonly #write: (bytes: Uint8Array) => boolean
  readonly #defer: (run: () => void) => void
  readonly #pieces: Uint8Array[] = []
  #piece = new Uint8Array(PIECE)
  #filled = 0
  #waiting = 0
  #blocked = false
  #deferred = false

  constructor(options: OutputBufferOptions) {
    checkOptions('options', options, ['write', 'limit', 'defer'])
    const { write, limit = DEFAULT_LIMIT, defer = setImmediate } = options
    if (typeof write !== 'function') throw invalidArgument('write', write, 'a function')
    if (typeof defer !== 'function') throw invalidArgument('defer', defer, 'a function')
    this.limit = checkInteger('limit', limit, 1, 2 ** 31)
    this.#write = write
    this.#defer = defer
  }

  /** How many bytes wait. */
  get waiting(): number {
    return this.#waiting
  }

  /** Takes output; to be given to a device as its `output`. */
  readonly output: Output = (bytes) => {
    const taken = Math.min(bytes.length, this.limit - this.#waiting)
    this.dropped += bytes.length - taken
    for (let done = 0; done < taken;) {
      const part = bytes.subarray(done, Math.min(taken, done + PIECE - this.#filled))
      this.#piece.set(part, this.#filled)
      this.#filled += part.length
      done += part.length
      if (this.#filled === PIECE) this.#cut()
    }
    this.#waiting += taken
    if (this.#waiting === 0 || this.#deferred || this.#blocked) return
    this.#deferred = true
    this.#defer(() => {
      this.#deferred = false
      this.flush()
    })
  }

  /** The stream has room again. */
  resume(): void {
    this.#blocked = false
    this.flush()
  }

  /** Hands over what waits, as far as the stream takes it. */
  flush(): void {
    if (this.#filled > 0) this.#cut()
    while (!this.#blocked) {
      const piece = this.#pieces.shift()
      if (piece === undefined) return
      this.#waiting -= piece.length
      if (!this.#write(piece)) this.#blocked = true
    }
  }

  /** Nobody will take what waits: it is dropped, and counted. */
  discard(): void {
    this.dropped += this.#waiting
    this.#waiting = 0
    this.#filled = 0
    this.#pieces.length = 0
  }

  #cut(): void {
    // A small piece is copied, so that the large one stays for the next.
    this.#pieces.push(this.#filled === PIECE ? this.#piece : this.#piece.slice(0, this.#filled))
    if (this.#filled === PIECE) this.#piece = new Uint8Array(PIECE)
    this.#filled = 0
  }
}
