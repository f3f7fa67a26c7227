import { KvmError } from '../errors.js'
import { printableLines, quote } from '../format.js'
import { type ConsoleText, type Expected, finder, type Finder, REACH } from './console-text.js'

/** What is waited for, and for how long. */
export interface WaitOptions {
  wanted: string | RegExp
  /** In milliseconds. */
  timeout: number
  signal: AbortSignal | undefined
}

interface Wait {
  wanted: string
  find: Finder
  settle: (result: Expected | KvmError) => void
}

/** More is a script that waits in a loop without awaiting it. */
const MAX_WAITS = 1024
/** How much of the output an error shows. */
const SHOWN = 2000

/** Those who wait for a guest's output, in order: what one has found, the next one does not see. */
export class ConsoleWaits {
  readonly #text: ConsoleText
  // The first one's search is on.
  readonly #waits: Wait[] = []
  #ended = false
  // Bytes that have come since the last search, and the next one.
  #unseen = 0
  #soon: NodeJS.Immediate | undefined

  constructor(text: ConsoleText) {
    this.#text = text
  }

  add({ wanted, timeout, signal }: WaitOptions): Promise<Expected> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- it is the caller's own
        reject(signal.reason)
        return
      }
      if (this.#waits.length >= MAX_WAITS) {
        reject(tooMany())
        return
      }
      const leave = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        this.#remove(wait)
      }
      const abort = () => {
        leave()
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- it is the caller's own
        reject(signal?.reason)
        this.look()
      }
      const wait: Wait = {
        wanted: String(wanted),
        find: finder(wanted),
        settle: (result) => {
          leave()
          if (result instanceof KvmError) reject(result)
          else resolve(result)
        },
      }
      const timer = setTimeout(() => {
        wait.settle(this.#timeout(wait, timeout))
        this.look()
      }, timeout)
      signal?.addEventListener('abort', abort)
      this.#waits.push(wait)
      this.look()
    })
  }

  /** There is more text: it is searched once a turn, and not for each of the guest's characters, but before much has come. */
  lookSoon(length: number): void {
    this.#unseen += length
    if (this.#unseen >= REACH) this.look()
    else
      this.#soon ??= setImmediate(() => {
        this.look()
      })
  }

  /** Searches what is there. */
  look(): void {
    this.#unseen = 0
    clearImmediate(this.#soon)
    this.#soon = undefined
    for (let wait = this.#waits[0]; wait !== undefined; wait = this.#waits[0]) {
      const found = this.#text.take(wait.find) ?? (this.#ended ? this.#guestEnded(wait) : undefined)
      if (found === undefined) return
      wait.settle(found)
    }
  }

  /** Whether there will be no more text. */
  set ended(ended: boolean) {
    this.#ended = ended
    this.look()
  }

  #remove(wait: Wait): void {
    const index = this.#waits.indexOf(wait)
    if (index < 0) return
    this.#waits.splice(index, 1)
    if (index === 0) this.#text.rewind()
  }

  #timeout(wait: Wait, limit: number): KvmError {
    const first = this.#waits[0]
    const why =
      first === wait || first === undefined
        ? `within ${limit} ms the guest did not write ${quote(wait.wanted)}`
        : `${limit} ms passed before ${quote(wait.wanted)} had its turn, behind ${quote(first.wanted)}`
    return this.#failure('ERR_KVM_EXPECT_TIMEOUT', why, wait)
  }

  #guestEnded(wait: Wait): KvmError {
    return this.#failure(
      'ERR_KVM_GUEST_ENDED',
      `the guest ended before it wrote ${quote(wait.wanted)}; how it ended, machine.run() says`,
      wait,
    )
  }

  #failure(code: 'ERR_KVM_EXPECT_TIMEOUT' | 'ERR_KVM_GUEST_ENDED', why: string, { wanted }: Wait): KvmError {
    const output = this.#text.text.slice(-SHOWN)
    const shown = printableLines(output.split('\n')).join('\n')
    return new KvmError(code, `${why}; the last of its output:\n${shown}`, { operands: { wanted, output } })
  }
}

function tooMany(): KvmError {
  return new KvmError(
    'ERR_KVM_CONSOLE_FULL',
    `${MAX_WAITS} calls of expect() wait already, which is the most; await them before the next`,
    { operands: { waiting: MAX_WAITS, limit: MAX_WAITS } },
  )
}
