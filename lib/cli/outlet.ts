import { writeSync } from 'node:fs'
import { OutputBuffer } from '../devices/index.js'
import { codeOf } from './error-code.js'
import { writeError } from './write-error.js'

/** In bytes: enough for what a guest prints while a user scrolls back. */
const LIMIT = 8 * 2 ** 20
/** How long it is waited, in milliseconds, until the reader is asked again: doubled each time. */
const SHORTEST_WAIT = 1
const LONGEST_WAIT = 32
/** How often it is looked whether all is written, in milliseconds. */
const DRAIN_STEP = 5

/** How long an outlet is emptied at its end, in milliseconds. */
export interface Patience {
  /** Without that the reader takes anything. */
  idle: number
  /** Altogether. */
  total: number
}

/**
 * The way out for all that the command prints to one descriptor, which does not block ({@link openOutlets}): a reader that
 * takes nothing stops neither the guest nor its time limit. At most 8 MiB wait; what comes on top is dropped, and counted.
 */
export class Outlet {
  /** For messages: `standard output`. */
  readonly name: string
  /** How many lines have been dropped. */
  droppedLines = 0
  /** Called once, when nothing can be written any more. */
  onError: (error: Error) => void = () => undefined
  readonly #fd: number
  readonly #buffer = new OutputBuffer({ limit: LIMIT, write: (piece) => this.#take(piece) })
  /** What is left of the piece that is being written. */
  #rest = new Uint8Array(0)
  #wait = SHORTEST_WAIT
  #retry: NodeJS.Timeout | undefined
  #atLineStart = true
  #discards = false
  #lastProgress = 0
  #leftBytes = 0
  #error: Error | undefined

  constructor(fd: number, name: string) {
    this.#fd = fd
    this.name = name
  }

  /** Why nothing can be written any more. */
  get error(): Error | undefined {
    return this.#error
  }

  /** How many bytes of {@link write} have been dropped, or were left at the end. */
  get droppedBytes(): number {
    return this.#buffer.dropped + this.#leftBytes
  }

  /** Puts out what a guest has written. The bytes are copied. */
  write(bytes: Uint8Array): void {
    const before = this.#buffer.dropped
    this.#buffer.output(bytes)
    const taken = bytes.length - (this.#buffer.dropped - before)
    if (taken > 0) this.#atLineStart = bytes[taken - 1] === 0x0a
  }

  /** Puts out a line of the command's own: at once if it can be, whole or not at all, and with a line to itself. */
  line(text: string): void {
    const bytes = Buffer.from(`${this.#atLineStart ? '' : '\n'}${text}\n`)
    if (bytes.length > this.#buffer.limit - this.#buffer.waiting) {
      this.droppedLines++
      return
    }
    this.write(bytes)
    this.#buffer.flush()
  }

  /** Waits until the reader has taken everything, as long as there is patience. What is left then is dropped. */
  async drain({ idle, total }: Patience): Promise<void> {
    this.#buffer.flush()
    const start = performance.now()
    this.#lastProgress = start
    while (this.#waiting > 0) {
      const now = performance.now()
      if (now - this.#lastProgress >= idle || now - start >= total) break
      await new Promise((resolve) => setTimeout(resolve, DRAIN_STEP))
    }
    this.#leftBytes += this.#waiting
    this.#discard()
  }

  #discard(): void {
    clearTimeout(this.#retry)
    this.#rest = new Uint8Array(0)
    this.#discards = true
    this.#buffer.resume()
    this.#discards = false
  }

  get #waiting(): number {
    return this.#buffer.waiting + this.#rest.length
  }

  /** Returns whether the buffer may hand over more. */
  #take(piece: Uint8Array): boolean {
    // After an error everything is taken, and goes nowhere.
    if (this.#discards || this.#error !== undefined) return true
    this.#rest = Uint8Array.from(piece)
    return this.#writeRest()
  }

  #writeRest(): boolean {
    try {
      while (this.#rest.length > 0) {
        this.#rest = this.#rest.subarray(writeSync(this.#fd, this.#rest))
        this.#wait = SHORTEST_WAIT
        this.#lastProgress = performance.now()
      }
    } catch (error) {
      if (codeOf(error) === 'EAGAIN') {
        this.#askLater()
        return false
      }
      this.#fail(writeError(this.name, error))
    }
    return true
  }

  #askLater(): void {
    this.#retry = setTimeout(() => {
      if (this.#writeRest()) this.#buffer.resume()
    }, this.#wait)
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT)
  }

  #fail(error: Error): void {
    this.#error = error
    this.#rest = new Uint8Array(0)
    this.onError(error)
  }
}
