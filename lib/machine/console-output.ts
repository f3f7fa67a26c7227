import { AsyncResource } from 'node:async_hooks'
import type { Writable } from 'node:stream'

import { OutputBuffer } from '../devices/output-buffer.js'
import { KvmError } from '../errors.js'
import { describeThrown } from '../format.js'

/** A stream, or a function that gets the bytes to keep. While a promise of it is pending, it gets no more. */
export type OutputTarget = Writable | ((bytes: Uint8Array) => void) | ((bytes: Uint8Array) => Promise<void>)

/** How long the end of a run waits for an output that takes nothing, in milliseconds. */
const PATIENCE = 5000

/**
 * The way from a guest to whoever takes its output, over all lives of the guest: what one life has written arrives after its
 * end, too. It is handed over a piece at a time, and held back, up to 1 MiB, until that has been taken. What is not taken is
 * counted. An output that fails says so once, and gets no more.
 */
export class ConsoleOutput {
  readonly #name: string
  readonly #stream: Writable | undefined
  readonly #take: (bytes: Uint8Array) => unknown
  readonly #buffer: OutputBuffer
  // Those who use it: the present life of a guest, seldom of two.
  readonly #users = new Set<(error: KvmError) => void>()
  // Bytes: taken; handed over and not yet taken; handed over to an output that had failed.
  #taken = 0
  #offered = 0
  #refused = 0
  // The end of a run has waited in vain for what is offered.
  #givenUp = false
  #failure: KvmError | undefined
  // Whether somebody has been told.
  #failureTold = false
  #listening = false
  #settling: Promise<void> | undefined
  #onProgress: (() => void) | undefined

  constructor(name: string, target: OutputTarget) {
    this.#name = name
    this.#stream = typeof target === 'function' ? undefined : target
    // What it leads to belongs to who gave it, and not to the guest that happens to run.
    this.#take = AsyncResource.bind(typeof target === 'function' ? target : writer(target))
    this.#buffer = new OutputBuffer({ write: (bytes) => this.#offer(bytes) })
  }

  /** How many bytes have not been taken, and will not be. */
  get lost(): number {
    return this.#buffer.dropped + this.#refused + (this.#givenUp ? this.#offered : 0)
  }

  /** A life of a guest begins to use it. Returns what ends the use. */
  open(onFailure: (error: KvmError) => void): () => void {
    if (this.#failure !== undefined) throw this.#failure
    this.#users.add(onFailure)
    if (!this.#listening) this.#stream?.on('error', this.#fail).on('close', this.#closed)
    this.#listening = true
    return () => {
      this.#users.delete(onFailure)
      this.#letGo()
    }
  }

  /** Takes what the guest writes; `bytes` is valid during the call only. */
  write(bytes: Uint8Array): void {
    if (this.#failure === undefined) this.#buffer.output(bytes)
    else this.#refused += bytes.length
  }

  /**
   * Resolves when all that has been written until now was taken. Where nothing at all is taken for 5 s, the rest is dropped
   * and counted. Rejects with the failure of the output, if nobody has been told of it.
   */
  settled(): Promise<void> {
    this.#settling ??= this.#settle().finally(() => {
      this.#settling = undefined
      this.#letGo()
    })
    return this.#settling
  }

  async #settle(): Promise<void> {
    this.#buffer.flush()
    const all = this.#taken + this.#offered + this.#buffer.waiting
    while (this.#failure === undefined && this.#taken < all) {
      if (await this.#progress()) continue
      this.#givenUp = true
      this.#buffer.discard()
      return
    }
    if (this.#failure === undefined || this.#failureTold) return
    this.#failureTold = true
    throw this.#failure
  }

  /** Whether something is taken, or fails, before patience ends. */
  #progress(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        resolve(false)
      }, PATIENCE)
      this.#onProgress = () => {
        clearTimeout(timer)
        resolve(true)
      }
    })
  }

  /** False: no more before this has been taken. */
  #offer(bytes: Uint8Array): boolean {
    this.#offered = bytes.length
    try {
      const pending = this.#take(bytes)
      if (typeof (pending as Partial<PromiseLike<void>> | undefined)?.then !== 'function') {
        this.#confirm()
        return true
      }
      Promise.resolve(pending).then(() => {
        this.#confirm()
        this.#buffer.resume()
      }, this.#fail)
    } catch (error) {
      this.#fail(error)
    }
    return false
  }

  #confirm(): void {
    this.#taken += this.#offered
    this.#offered = 0
    this.#givenUp = false
    this.#onProgress?.()
    this.#letGo()
  }

  readonly #fail = (cause: unknown): void => {
    if (this.#failure !== undefined) return
    this.#failure = new KvmError(
      'ERR_KVM_DEVICE_FAILED',
      `the output of ${this.#name} failed, and gets no more: ${describeThrown(cause)}`,
      { operands: { device: this.#name }, cause },
    )
    this.#refused += this.#offered
    this.#offered = 0
    this.#buffer.discard()
    this.#failureTold = this.#users.size > 0
    for (const tell of this.#users) tell(this.#failure)
    this.#onProgress?.()
    this.#letGo()
  }

  readonly #closed = (): void => {
    // What is written to it later says so itself.
    if (this.#offered > 0) this.#fail(new Error('the stream was closed before it had taken all'))
  }

  /** The stream is left alone when nobody uses it any more and nothing is on its way. */
  #letGo(): void {
    if (!this.#listening) return
    // Not at once: a stream tells its error after it has refused what was written.
    setImmediate(() => {
      if (this.#users.size > 0 || this.#offered > 0 || this.#settling !== undefined) return
      this.#stream?.off('error', this.#fail).off('close', this.#closed)
      this.#listening = false
    })
  }
}

/** Resolves when the stream has passed the bytes on, and not only has put them aside. */
function writer(stream: Writable): (bytes: Uint8Array) => Promise<void> {
  return (bytes) =>
    new Promise((resolve, reject) => {
      stream.write(bytes, (error) => {
        if (error === null || error === undefined) resolve()
        else reject(error)
      })
    })
}
