import { invalidArgument } from '../validate.js'
import { RunResult } from './binding.js'
import type { Execution } from './execution.js'
import type { Exit } from './exits.js'
import type { PostedListener } from './fast-access.js'
import { hub, type HubMember } from './hub.js'
import { ThreadPage } from './thread-page.js'

/**
 * Handles an exit of a vCPU that runs on its own thread. When it returns, or its promise resolves, the guest runs on.
 * What it throws stops the vCPU.
 */
export type ExitHandler = (exit: Exit) => void | Promise<void>

/**
 * Where a vCPU with a thread is:
 *
 * | phase | | leaves by |
 * | --- | --- | --- |
 * | `guest` | its thread runs the guest | an exit → `handling` |
 * | `handling` | JavaScript has an exit, and the handler, or its promise, is at work | the answer → `guest`, `paused`, `stopped` |
 * | `paused` | outside the guest, accesses completed | resume → `guest`, stop → `stopped` |
 * | `stopped` | the thread has ended | |
 */
type Phase = 'guest' | 'handling' | 'paused' | 'stopped'

/** The JavaScript side of a vCPU's thread. */
export class Thread implements HubMember {
  /** Resolves when the vCPU has stopped; rejects with what its handler threw or the kernel refused. */
  readonly finished: Promise<void>
  readonly #execution: Execution
  readonly #handler: ExitHandler
  readonly #listeners: ReadonlyMap<number, PostedListener>
  readonly #onStopped: () => void
  readonly #page: ThreadPage
  readonly #seat: number
  #phase: Phase = 'guest'
  #pauseWanted = false
  #stopWanted = false
  #referenced = true
  #pauses: (() => void)[] = []
  #resolve!: () => void
  #reject!: (reason: unknown) => void

  constructor(
    execution: Execution,
    handler: ExitHandler,
    listeners: ReadonlyMap<number, PostedListener>,
    onStopped: () => void,
  ) {
    this.#execution = execution
    this.#handler = handler
    this.#listeners = listeners
    this.#onStopped = onStopped
    this.finished = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#seat = hub().add(this, execution.native)
    this.#page = new ThreadPage(execution.native.threadBuffer())
    hub().ref()
  }

  get inGuest(): boolean {
    return this.#phase === 'guest'
  }

  get paused(): boolean {
    return this.#phase === 'paused'
  }

  serve(): boolean {
    try {
      this.#page.deliver(this.#listeners)
      // A listener may have stopped the vCPU.
      if (this.#hasStopped() || !this.#page.exitOffered) return false
      const { result } = this.#page
      if (result === RunResult.ringFull) return true
      this.#phase = 'handling'
      const exit = this.#execution.accept(result)
      return result === RunResult.out ? this.#answer() : this.#handle(exit)
    } catch (error) {
      this.#end(error)
      return false
    }
  }

  pause(): Promise<void> {
    if (this.#phase === 'paused' || this.#phase === 'stopped') return Promise.resolve()
    if (!this.#pauseWanted && this.#phase === 'guest') this.#execution.native.comeOut()
    this.#pauseWanted = true
    return new Promise((resolve) => this.#pauses.push(resolve))
  }

  resume(): void {
    this.#pauseWanted = false
    this.#settlePauses()
    if (this.#phase !== 'paused') return
    if (this.#execution.exitWaiting) {
      // Looking at state while paused led to an exit.
      this.#later(() => this.#handle(this.#execution.takeWaitingExit()))
    } else {
      this.#phase = 'guest'
      hub().resume(this.#seat)
    }
  }

  stop(): Promise<void> {
    if (this.#phase === 'guest' && !this.#stopWanted) this.#execution.native.comeOut()
    this.#stopWanted = true
    if (this.#phase === 'paused') this.#end()
    return this.finished
  }

  /** Ends the thread wherever it is. */
  close(): void {
    this.#end()
  }

  ref(): void {
    if (!this.#referenced && this.#phase !== 'stopped') hub().ref()
    this.#referenced = true
  }

  unref(): void {
    if (this.#referenced && this.#phase !== 'stopped') hub().unref()
    this.#referenced = false
  }

  /** Runs the handler. True when the guest can run on at once. */
  #handle(exit: Exit): boolean {
    const pending = this.#handler(exit)
    if (pending === undefined) return this.#answer()
    if (typeof (pending as { then?: unknown } | null)?.then !== 'function') {
      throw invalidArgument('what the exit handler returns', pending, 'nothing or a promise')
    }
    pending.then(
      () => {
        this.#later(() => this.#answer())
      },
      (error: unknown) => {
        this.#end(error)
      },
    )
    return false
  }

  /** The exit has been handled: what now? True when the guest can run on. */
  #answer(): boolean {
    if (this.#hasStopped()) return false
    if (this.#stopWanted) {
      this.#end()
      return false
    }
    if (this.#execution.exitWaiting || (this.#pauseWanted && !this.#execution.complete())) {
      return this.#handle(this.#execution.takeWaitingExit())
    }
    if (this.#pauseWanted) {
      this.#phase = 'paused'
      this.#settlePauses()
      return false
    }
    this.#phase = 'guest'
    return true
  }

  /** The same outside of serve(). */
  #later(step: () => boolean): void {
    if (this.#hasStopped()) return
    try {
      this.#phase = 'handling'
      if (step()) hub().resume(this.#seat)
    } catch (error) {
      this.#end(error)
    }
  }

  // A handler can change the phase behind the compiler's back.
  #hasStopped(): boolean {
    return this.#phase === 'stopped'
  }

  #settlePauses(): void {
    const pauses = this.#pauses
    this.#pauses = []
    for (const resolve of pauses) resolve()
  }

  #end(error?: unknown): void {
    if (this.#hasStopped()) return
    this.#phase = 'stopped'
    this.#execution.native.stop()
    hub().remove(this.#seat)
    if (this.#referenced) hub().unref()
    this.#onStopped()
    this.#settlePauses()
    if (error === undefined) this.#resolve()
    else this.#reject(error)
  }
}
