import type { Readable } from 'node:stream'

import { KvmError } from '../errors.js'
import { checkInteger, checkOptions, invalidArgument } from '../validate.js'
import { ConsoleText, type Expected, REACH } from './console-text.js'
import { ConsoleWaits } from './console-waits.js'
import { TypeAhead } from './type-ahead.js'

export interface GuestConsoleOptions {
  /** How many characters of what the guest wrote are kept, the oldest going first: 4096 to 2²⁸, by default 65,536. */
  keep?: number
  /** How many bytes of what was sent may wait until the guest reads them: 1 to 2²⁸, by default 1 MiB. */
  typeAhead?: number
}

export interface ExpectOptions {
  /** In milliseconds from the call on, 1 to 2³¹ - 1; by default 30 s. */
  timeout?: number
  /** Ends the wait with the signal's reason. */
  signal?: AbortSignal
}

const DEFAULT_KEEP = 65_536
const DEFAULT_TYPE_AHEAD = 2 ** 20
const MOST = 2 ** 28
const DEFAULT_TIMEOUT = 30_000
const MAX_TIMEOUT = 2 ** 31 - 1

/**
 * A script's end of a serial line, or of a virtio console: it waits for text from the guest and sends text to it.
 *
 * Output is read as UTF-8; a carriage return before a line feed is dropped, everything else is as the guest wrote it,
 * escape sequences included. One line of one machine at a time has it (`ERR_KVM_CONSOLE_IN_USE`); when that machine has
 * ended, another one may.
 */
export class GuestConsole {
  readonly #input: TypeAhead
  readonly #text: ConsoleText
  readonly #waits: ConsoleWaits
  #attached = false

  constructor(options: GuestConsoleOptions = {}) {
    const { keep, typeAhead } = checkOptions('options', options, ['keep', 'typeAhead'])
    this.#text = new ConsoleText(checkInteger('keep', keep ?? DEFAULT_KEEP, REACH, MOST))
    this.#waits = new ConsoleWaits(this.#text)
    this.#input = new TypeAhead(checkInteger('typeAhead', typeAhead ?? DEFAULT_TYPE_AHEAD, 1, MOST))
  }

  /** What the guest has written, as much of it as is kept. */
  get text(): string {
    return this.#text.text
  }

  /** How many characters the guest has written before {@link text}: they are not kept any more. */
  get forgotten(): number {
    return this.#text.forgotten
  }

  /**
   * Waits until the guest has written this, and resolves with what it wrote up to there. The next call goes on behind it.
   * Text that was there already counts. A match that is still incomplete is found again only when it began in the last
   * 4096 characters. Calls have their turn in order; the time of each counts from the call.
   *
   * Rejects with `ERR_KVM_EXPECT_TIMEOUT`, with `ERR_KVM_GUEST_ENDED` when the machine has ended and will not boot again,
   * with `ERR_KVM_CONSOLE_FULL` when 1024 calls wait already, or with the signal's reason. The text is then there for the
   * next call.
   */
  expect(wanted: string | RegExp, options: ExpectOptions = {}): Promise<Expected> {
    if (!(typeof wanted === 'string' && wanted !== '') && !(wanted instanceof RegExp)) {
      throw invalidArgument('wanted', wanted, 'a string that is not empty, or a regular expression')
    }
    if (typeof wanted === 'string' && wanted.length > REACH) {
      throw invalidArgument('wanted', `${wanted.length} characters`, `at most ${REACH} characters`)
    }
    const { timeout, signal } = checkOptions('options', options, ['timeout', 'signal'])
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw invalidArgument('signal', signal, 'an AbortSignal')
    }
    return this.#waits.add({
      wanted,
      timeout: checkInteger('timeout', timeout ?? DEFAULT_TIMEOUT, 1, MAX_TIMEOUT),
      signal,
    })
  }

  /**
   * Types this on the guest's console. A line ends with `\n`. What the guest does not read yet waits, also before it
   * starts and over a reset.
   *
   * Throws `ERR_KVM_CONSOLE_FULL` when more than `typeAhead` bytes would wait; nothing of the text is typed then.
   */
  send(text: string): void {
    if (typeof text !== 'string') throw invalidArgument('text', text, 'a string')
    this.#input.type(text)
  }

  /** Takes what the guest has written. `serial()` and `virtioConsole()` call it; another device may, too. `bytes` is not kept. */
  receive(bytes: Uint8Array): void {
    this.#text.write(bytes)
    this.#waits.lookSoon(bytes.length)
  }

  /** @internal A guest's life begins. Returns what the guest is to read. */
  attach(): Readable {
    if (this.#attached) {
      throw new KvmError(
        'ERR_KVM_CONSOLE_IN_USE',
        'another line, or another machine, has this GuestConsole; give each line one of its own',
      )
    }
    this.#attached = true
    this.#waits.ended = false
    return this.#input
  }

  /** @internal That life has ended; another one may begin. */
  detach(): void {
    this.#attached = false
    this.#text.end()
    this.#waits.look()
  }

  /** @internal No other life begins, unless by a machine that has it now. */
  end(): void {
    if (!this.#attached) this.#waits.ended = true
  }
}
