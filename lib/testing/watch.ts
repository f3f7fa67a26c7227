import { setTimeout as delay } from 'node:timers/promises'

import { KvmError } from '../errors.js'
import { describeThrown, printable } from '../format.js'
import { formatPostMortem, type PostMortem, type SymbolTable } from '../inspect/index.js'
import { describeOutcome, type Machine, type Outcome } from '../machine/index.js'
import { lastLines, type Remains, setRemains, showRemains } from './remains.js'
import { StandingStill } from './standing-still.js'
import type { WatchedConsole } from './watched-console.js'

export interface WatchOptions {
  /** Of the guest's run, in milliseconds. */
  timeout: number
  symbols: SymbolTable | undefined
}

/** Why a guest fails its test, or why its host ends it. */
type Failure =
  | { kind: 'guest'; reason: string; summary: string; postMortem?: PostMortem | undefined; cause?: unknown }
  | { kind: 'host'; error: unknown }

/** A guest that ends so has failed; with any other outcome it has done what somebody may wait for. */
const FATAL: readonly Outcome['kind'][] = ['panic', 'triple-fault', 'kvm-error', 'timeout']

/** A kernel that has failed says more: until it is quiet for so long, and for so long at most. In milliseconds. */
const QUIET = 200
const MAX_QUIET = 3000

/** A machine that runs, and what is done when its guest fails. */
export class Watch {
  readonly machine: Machine
  readonly console: WatchedConsole
  readonly still: StandingStill
  readonly ended: Promise<Outcome>
  readonly #symbols: SymbolTable | undefined
  readonly #failed: Promise<Failure>
  #outcome: Outcome | undefined
  #failure: Promise<Failure> | undefined
  #tell: (failure: Promise<Failure>) => void = () => undefined

  constructor(machine: Machine, console: WatchedConsole, { timeout, symbols }: WatchOptions) {
    this.machine = machine
    this.console = console
    this.still = new StandingStill(machine)
    this.#symbols = symbols
    this.#failed = new Promise((resolve) => (this.#tell = resolve))
    console.onFailure = () => {
      this.#fail(this.#afterWords())
    }
    this.ended = machine.run({ timeout })
    // What it rejects with is a failure, and told as one.
    this.ended.then(
      (outcome) => {
        this.#outcome = outcome
        const { kind } = outcome
        if (FATAL.includes(kind)) this.#fail({ kind: 'guest', reason: kind, summary: describeOutcome(outcome) })
      },
      (cause: unknown) => {
        this.#fail({ kind: 'guest', reason: 'error', summary: describeThrown(cause), cause })
      },
    )
  }

  /** Its host has had enough of it. */
  end(error: unknown): void {
    this.#fail({ kind: 'host', error })
  }

  /** What the work resolves with. Rejects as soon as the guest has failed; an error of the work's own says what the guest was doing. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const settled = (async () => {
      return await work()
    })().then(
      (value) => ({ kind: 'done', value }) as const,
      (error: unknown) => ({ kind: 'thrown', error }) as const,
    )
    const first = await Promise.race([settled, this.#failed])
    if (first.kind === 'guest' || first.kind === 'host') throw await this.#errorOf(first)
    this.console.lookAtLine()
    // It may wait for the guest's end, which is about to be told as a failure.
    if (first.kind === 'thrown' && endedBefore(first.error)) await this.ended.catch(() => undefined)
    const failure = await this.#failure
    if (failure !== undefined) throw await this.#errorOf(failure, first.kind === 'thrown' ? first.error : undefined)
    if (first.kind === 'done') return first.value
    showRemains(first.error, await this.#remains())
    throw first.error
  }

  /** The first one counts. */
  #fail(failure: Failure | Promise<Failure>): void {
    this.#failure ??= Promise.resolve(failure)
    this.#tell(this.#failure)
  }

  /** What the vCPUs are doing at that moment says most; the console later. */
  async #afterWords(): Promise<Failure> {
    const postMortem = await this.#examine()
    const over = this.ended.catch(() => undefined)
    for (let waited = 0; waited < MAX_QUIET && this.#outcome === undefined; waited += QUIET) {
      const before = this.console.received
      await Promise.race([delay(QUIET), over])
      if (this.console.received === before) break
    }
    return { kind: 'guest', reason: 'console', summary: printable(this.console.line), postMortem }
  }

  async #errorOf(failure: Failure, thrown?: unknown): Promise<unknown> {
    if (failure.kind === 'host') return failure.error
    const remains = await this.#remains(failure.postMortem)
    const { console, postMortem } = remains
    const summary = `the guest has failed: ${failure.summary}`
    const message =
      postMortem === undefined ? summary : formatPostMortem({ ...postMortem, summary, console: lastLines(console) })
    // The rest is found by remainsOf(): a test runner prints the operands.
    const error = new KvmError('ERR_KVM_GUEST_FAILED', message, {
      operands: { reason: failure.reason },
      cause: failure.cause ?? thrown,
    })
    setRemains(error, remains)
    return error
  }

  async #remains(postMortem?: PostMortem): Promise<Remains> {
    // The test may have closed it just now.
    if (this.machine.closed) await this.ended.catch(() => undefined)
    const report = postMortem ?? (await this.#examine())
    return {
      console: this.console.text,
      ...(this.#outcome === undefined ? {} : { outcome: this.#outcome }),
      ...(report === undefined ? {} : { postMortem: report }),
    }
  }

  /** Undefined when there is nothing left to look at, or when the test does not let the machine stand still. */
  async #examine(): Promise<PostMortem | undefined> {
    const options = this.#symbols === undefined ? {} : { symbols: this.#symbols }
    try {
      return await this.still.during(() => this.machine.postMortem(options))
    } catch (error) {
      if (error instanceof KvmError && (error.code === 'ERR_KVM_CLOSED' || error.code === 'ERR_KVM_RUNNING')) {
        return undefined
      }
      throw error
    }
  }
}

const endedBefore = (error: unknown) =>
  error instanceof KvmError && (error.code === 'ERR_KVM_GUEST_ENDED' || error.code === 'ERR_KVM_CLOSED')
