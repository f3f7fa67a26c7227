import type { Duplex } from 'node:stream'
import { KvmError } from '../../errors.js'
import { describeThrown, printable } from '../../format.js'
import {
  checkGreeting,
  decodeHead,
  encodeGreeting,
  encodeMessage,
  GREETING_BYTES,
  HEAD_BYTES,
  malformed,
  type Message,
  type MessageName,
} from './frames.js'

export interface ChannelOptions {
  /** How long the other side may be silent while something is expected of it, in milliseconds. */
  timeout: number
  signal?: AbortSignal | undefined
}

/** How long the other side has to take the last message, in milliseconds. */
const LAST_WORDS = 1000

/** A stream on which one side of a migration talks with the other one. It belongs to this from now on. */
export class Channel {
  readonly #stream: Duplex
  readonly #timeout: number
  readonly #waiting = new Set<() => void>()
  // Why nothing more comes or goes.
  #broken: { error: unknown } | undefined
  #ended = false
  readonly #unlisten: () => void

  constructor(stream: Duplex, { timeout, signal }: ChannelOptions) {
    this.#stream = stream
    this.#timeout = timeout
    const wake = () => {
      for (const each of this.#waiting) each()
    }
    const events = {
      readable: wake,
      drain: wake,
      end: () => {
        this.#ended = true
        wake()
      },
      close: () => {
        this.#break(vanished())
      },
      error: (cause: Error) => {
        this.#break(vanished(cause))
      },
    }
    // That of errors stays: a stream that has been left alone still may fail.
    for (const [name, listener] of Object.entries(events)) stream.on(name, listener)
    const abort = () => {
      this.#break(signal?.reason)
    }
    signal?.addEventListener('abort', abort)
    this.#unlisten = () => signal?.removeEventListener('abort', abort)
    if (signal?.aborted === true) abort()
    else if (stream.destroyed) this.#break(vanished())
  }

  /** Nothing more comes or goes: who waits is told why. */
  abort(error: unknown): void {
    this.#break(error)
  }

  /** Tells the other side who this is. */
  async greet(): Promise<void> {
    await this.#write(encodeGreeting())
  }

  /** Rejects with `ERR_KVM_MIGRATION` where it is somebody else. */
  async checkGreeting(): Promise<void> {
    checkGreeting(await this.#read(GREETING_BYTES))
  }

  /** Resolves when there is room for more. */
  async send(name: MessageName, ...parts: readonly Uint8Array[]): Promise<void> {
    await this.#write(encodeMessage(name, ...parts))
  }

  /** The same, at once. Where this throws, nothing has been sent; what fails later {@link receive} says. */
  say(name: MessageName): void {
    this.#checkWhole()
    if (!this.#stream.writable) throw vanished()
    this.#stream.write(encodeMessage(name))
  }

  /** The other side has nothing to say now, but that it refuses. */
  async checkQuiet(): Promise<void> {
    if (this.#stream.readableLength >= HEAD_BYTES) throw unexpected((await this.receive()).name, 'nothing')
  }

  async receive(): Promise<Message> {
    const { name, length } = decodeHead(await this.#read(HEAD_BYTES))
    const body = length === 0 ? Buffer.alloc(0) : await this.#read(length)
    if (name === 'refuse') throw malformed(`the other side says: ${printable(body.toString('utf8'))}`)
    return { name, body }
  }

  /** The next message, which must be that one. */
  async expect(expected: MessageName): Promise<Buffer> {
    const { name, body } = await this.receive()
    if (name !== expected) throw unexpected(name, expected)
    return body
  }

  /** All has been said: resolves when the other side has it, or has gone, and the stream is closed. */
  async end(): Promise<void> {
    this.#unlisten()
    const stream = this.#stream
    if (stream.destroyed) return
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer)
        stream.destroy()
        resolve()
      }
      const timer = setTimeout(done, LAST_WORDS)
      // Once both have ended there is nothing left to lose.
      const look = () => {
        if (stream.writableFinished && (stream.readableEnded || this.#ended)) done()
      }
      for (const name of ['finish', 'end']) stream.on(name, look)
      stream.on('close', done)
      // What comes yet is of no interest, and in the way of the end.
      stream.removeAllListeners('readable')
      stream.resume()
      if (stream.writable) stream.end()
      look()
    })
  }

  /** The same after saying why, if the other side is there to hear it. */
  async refuse(error: unknown): Promise<void> {
    const why = Buffer.from(describeThrown(error)).subarray(0, 1024)
    if (this.#stream.writable) this.#stream.write(encodeMessage('refuse', why))
    await this.end()
  }

  #break(error: unknown): void {
    this.#broken ??= { error }
    for (const each of this.#waiting) each()
  }

  async #write(bytes: Buffer): Promise<void> {
    this.#checkWhole()
    if (!this.#stream.writable) throw vanished()
    if (this.#stream.write(bytes)) return
    await this.#until(() => {
      this.#checkWhole()
      return !this.#stream.writableNeedDrain
    })
  }

  async #read(length: number): Promise<Buffer> {
    let bytes: Buffer | undefined
    const stream = this.#stream
    await this.#until(() => {
      // What has come before the end counts.
      if (stream.readableLength < length) {
        this.#checkWhole()
        if (this.#ended) throw vanished()
      }
      // Of less than that it takes nothing, and fetches more.
      const read = stream.read(length) as Buffer | null
      if (read === null) return false
      if (read.length < length) throw vanished()
      bytes = read
      return true
    })
    return bytes as Buffer
  }

  #checkWhole(): void {
    if (this.#broken !== undefined) throw this.#broken.error
  }

  /** Resolves when `isDone` says so; it is asked whenever something has happened. */
  async #until(isDone: () => boolean): Promise<void> {
    if (isDone()) return
    await new Promise<void>((resolve, reject) => {
      const finish = (settle: () => void) => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        settle()
      }
      const look = () => {
        try {
          if (isDone()) finish(resolve)
        } catch (error) {
          finish(() => {
            // What a signal was aborted with need not be an Error.
            // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
            reject(error)
          })
        }
      }
      const timer = setTimeout(() => {
        this.#break(malformed(`the other side has been silent for ${this.#timeout} ms`))
      }, this.#timeout)
      this.#waiting.add(look)
    })
  }
}

export function unexpected(name: MessageName, expected: string): KvmError {
  return malformed(`the other side says '${name}' where '${expected}' was to come`)
}

function vanished(cause?: unknown): KvmError {
  return malformed('the stream has ended, and so the other side is gone', cause)
}
