import { PassThrough, type Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'

import { KvmError } from '../errors.js'
import { checkInteger, checkOptions, invalidArgument } from '../validate.js'

export interface GuestConsoleOptions {
  /** How many characters of what the guest wrote are kept, the oldest going first: 4096 to 2²⁸, by default 65,536. */
  keep?: number
}

export interface ExpectOptions {
  /** In milliseconds, 1 to 2³¹ - 1; by default 30 s. */
  timeout?: number
  /** Ends the wait with the signal's reason. */
  signal?: AbortSignal
}

/** What the guest wrote until {@link GuestConsole.expect} found what it waited for. */
export interface Expected {
  /** What came before the match, from where the match before this one ended. */
  before: string
  /** The text that matched. */
  match: string
  /** The groups of a regular expression, as `RegExpExecArray` has them from index 1 on. */
  groups: (string | undefined)[]
}

const DEFAULT_KEEP = 65_536
const MAX_KEEP = 2 ** 28
const DEFAULT_TIMEOUT = 30_000
const MAX_TIMEOUT = 2 ** 31 - 1
/** How far before new text a match can begin. It bounds what each piece of output costs. */
const REACH = 4096
/** How much of the output an error shows. */
const SHOWN = 2000

/**
 * A script's end of a serial line: it waits for text from the guest and sends text to it.
 *
 * Output is read as UTF-8; a carriage return before a line feed is dropped, everything else is as the guest wrote it,
 * escape sequences included.
 */
export class GuestConsole {
  /** @internal What the guest reads. */
  readonly input: Readable
  readonly #input = new PassThrough()
  readonly #keep: number
  #decoder = new StringDecoder('utf8')
  // The last characters, where in them the last match ended, and where the search for the next one goes on.
  #text = ''
  #seen = 0
  #from = 0
  // A carriage return that may have a line feed behind it.
  #held = ''
  #lives = 0
  #ended = false
  #look: (() => void) | undefined
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: GuestConsoleOptions = {}) {
    const { keep } = checkOptions('options', options, ['keep'])
    this.#keep = checkInteger('keep', keep ?? DEFAULT_KEEP, REACH, MAX_KEEP)
    this.input = this.#input
  }

  /** What the guest has written, as much of it as is kept. */
  get text(): string {
    return this.#text.slice(-this.#keep)
  }

  /**
   * Waits until the guest has written this, and resolves with what it wrote up to there. The next call goes on behind it.
   * Text that was there already counts. A match that is still incomplete is found again only when it began in the last
   * 4096 characters. A call while another one waits has its turn, and its time, after that one.
   *
   * Rejects with `ERR_KVM_EXPECT_TIMEOUT`, with `ERR_KVM_GUEST_ENDED` when the machine has ended and will not boot again,
   * or with the signal's reason.
   */
  expect(wanted: string | RegExp, options: ExpectOptions = {}): Promise<Expected> {
    if (!(typeof wanted === 'string' && wanted !== '') && !(wanted instanceof RegExp)) {
      throw invalidArgument('wanted', wanted, 'a string that is not empty, or a regular expression')
    }
    if (typeof wanted === 'string' && wanted.length > REACH) {
      throw invalidArgument('wanted', `${wanted.length} characters`, `at most ${REACH} characters`)
    }
    const { timeout, signal } = checkOptions('options', options, ['timeout', 'signal'])
    const limit = checkInteger('timeout', timeout ?? DEFAULT_TIMEOUT, 1, MAX_TIMEOUT)
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw invalidArgument('signal', signal, 'an AbortSignal')
    }
    const result = this.#turn.then(() => this.#wait(wanted, limit, signal))
    this.#turn = result.catch(() => undefined)
    return result
  }

  /** Types this on the guest's console. A line ends with `\n`. */
  send(text: string): void {
    if (typeof text !== 'string') throw invalidArgument('text', text, 'a string')
    this.#input.write(text)
  }

  /** Takes what the guest has written. `serial()` calls it; another device may, too. `bytes` is not kept. */
  receive(bytes: Uint8Array): void {
    const text = this.#held + this.#decoder.write(bytes)
    this.#held = text.endsWith('\r') ? '\r' : ''
    this.#text += text.slice(0, text.length - this.#held.length).replaceAll('\r\n', '\n')
    // Not at each piece: cutting copies.
    if (this.#text.length > 2 * this.#keep) this.#forget(this.#text.length - this.#keep)
    this.#look?.()
  }

  /** @internal A guest's life begins. */
  attach(): void {
    this.#lives++
    this.#ended = false
    this.#decoder = new StringDecoder('utf8')
  }

  /** @internal A guest's life has ended; another one may begin at once. */
  detach(): void {
    const life = this.#lives
    setImmediate(() => {
      if (this.#lives !== life) return
      this.#ended = true
      this.#look?.()
    })
  }

  #forget(count: number): void {
    this.#text = this.#text.slice(count)
    this.#seen = Math.max(0, this.#seen - count)
    this.#from = Math.max(0, this.#from - count)
  }

  #wait(wanted: string | RegExp, limit: number, signal: AbortSignal | undefined): Promise<Expected> {
    const find = finder(wanted)
    const failure = (code: 'ERR_KVM_EXPECT_TIMEOUT' | 'ERR_KVM_GUEST_ENDED', why: string) =>
      new KvmError(
        code,
        `${why} ${JSON.stringify(String(wanted))}; the last of its output:\n${this.text.slice(-SHOWN)}`,
        {
          operands: { wanted: String(wanted) },
        },
      )
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', aborted)
        this.#look = undefined
      }
      const timer = setTimeout(() => {
        done()
        reject(failure('ERR_KVM_EXPECT_TIMEOUT', `within ${limit} ms the guest did not write`))
      }, limit)
      const aborted = () => {
        done()
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- it is the caller's own
        reject(signal?.reason)
      }
      this.#from = this.#seen
      this.#look = () => {
        const found = find(this.#text, this.#from)
        if (found !== undefined) {
          done()
          const { index, match, groups } = found
          const before = this.#text.slice(this.#seen, index)
          this.#seen = index + match.length
          resolve({ before, match, groups })
        } else if (this.#ended) {
          done()
          reject(failure('ERR_KVM_GUEST_ENDED', 'the guest ended before it wrote'))
        } else {
          this.#from = Math.max(this.#seen, this.#text.length - REACH)
        }
      }
      signal?.addEventListener('abort', aborted)
      if (signal?.aborted === true) aborted()
      else this.#look()
    })
  }
}

/** Looks for it from an index on. */
function finder(wanted: string | RegExp) {
  if (typeof wanted === 'string') {
    return (text: string, from: number) => {
      const index = text.indexOf(wanted, from)
      return index < 0 ? undefined : { index, match: wanted, groups: [] }
    }
  }
  // A copy: the caller's may be in use elsewhere.
  const pattern = new RegExp(wanted.source, `${wanted.flags.replace(/[gy]/g, '')}g`)
  return (text: string, from: number) => {
    pattern.lastIndex = from
    const found = pattern.exec(text)
    return found === null ? undefined : { index: found.index, match: found[0], groups: found.slice(1) }
  }
}
