import { invalidArgument } from '../validate.js'
import { RunResult } from './binding.js'
import { type Context, currentContext } from './context.js'
import type { Execution } from './execution.js'
import type { Exit } from './exits.js'
import { systemFailure } from './fd.js'
import { hub, type HubMember } from './hub.js'
import type { Listener } from './register-page.js'
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

/** Somebody threw, whatever: undefined is possible, too. */
interface Failure {
  reason: unknown
}

/** The JavaScript side of a vCPU's thread. */
export class Thread implements HubMember {
  /** Resolves when the vCPU has stopped; rejects with what its handler threw or the kernel refused. */
  readonly finished: Promise<void>
  /** Of who has given the handler. */
  readonly context: Context = currentContext()
  readonly #execution: Execution
  readonly #handler: ExitHandler
  readonly #listeners: ReadonlyMap<number, Listener>
  readonly #onStopped: () => void
  readonly #page: ThreadPage
  readonly #seat: number
  #phase: Phase = 'guest'
  #pauseWanted = false
  #stopWanted = false
  // What a listener has thrown.
  #failure: Failure | undefined
  #referenced = true
  #pauses: (() => void)[] = []
  #resolve!: () => void
  #reject!: (reason: unknown) => void

  constructor(
    execution: Execution,
    handler: ExitHandler,
    listeners: ReadonlyMap<number, Listener>,
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
    const { native } = execution
    let seat: number | undefined
    try {
      this.#seat = seat = hub().add(this, native, execution.exitWaiting)
      this.#page = new ThreadPage(() => native.threadBuffer())
    } catch (error) {
      native.stop()
      if (seat !== undefined) hub().remove(seat)
      throw systemFailure("the vCPU's thread cannot start", error)
    }
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
      this.deliver()
      // A listener may have stopped the vCPU.
      if (this.#hasStopped() || !this.#page.exitOffered) return false
      const { result } = this.#page
      if (result === RunResult.ringFull) return true
      this.#phase = 'handling'
      const out = result === RunResult.out
      // A thread that was started with an exit waiting comes out before it has entered the guest.
      if (out && this.#execution.exitWaiting) return this.#continue()
      const exit = this.#execution.accept(result)
      if (out) return this.#continue()
      if (this.#failure === undefined) return this.#handle(exit)
      // A listener has failed: who runs the vCPU next gets the exit.
      if (result === RunResult.kick) this.#execution.native.kick()
      else this.#execution.keepExit()
      this.#end()
    } catch (error) {
      this.#end({ reason: error })
    }
    return false
  }

  /** Delivers the posted writes that the thread's page shows. A listener that throws stops the vCPU. */
  deliver(): void {
    this.#page.deliver(this.#listeners, (error) => {
      this.#failure ??= { reason: error }
      this.#stopSoon()
    })
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
      this.context(() => {
        this.#later()
      })
    } else {
      this.#phase = 'guest'
      hub().resume(this.#seat)
    }
  }

  stop(): Promise<void> {
    this.#stopSoon()
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

  #stopSoon(): void {
    if (this.#phase === 'guest' && !this.#stopWanted) this.#execution.native.comeOut()
    this.#stopWanted = true
  }

  /** Runs the handler, and again for each further exit of the same access. True when the guest can run on at once. */
  #handle(first: Exit): boolean {
    for (let exit: Exit | undefined = first; exit !== undefined; exit = this.#answer()) {
      const pending = this.#handler(exit)
      if (pending === undefined) continue
      if (typeof (pending as { then?: unknown } | null)?.then !== 'function') {
        throw invalidArgument('what the exit handler returns', pending, 'nothing or a promise')
      }
      // A promise settles once, whatever a foreign then() does.
      Promise.resolve(pending).then(
        () => {
          this.#later()
        },
        (error: unknown) => {
          this.#end({ reason: error })
        },
      )
      return false
    }
    return this.#phase === 'guest'
  }

  /** The exit has been handled: what now? Returns the next one when the access goes on with it. */
  #answer(): Exit | undefined {
    if (this.#hasStopped()) return undefined
    if (this.#stopWanted) {
      this.#end()
    } else if (this.#execution.exitWaiting) {
      return this.#execution.takeWaitingExit()
    } else if (this.#pauseWanted && this.#execution.accessPending) {
      // The vCPU completes it in no time, unless it needs a page of a userfault: that can need the event loop.
      this.#execution.native.comeOut()
      this.#phase = 'guest'
    } else if (this.#pauseWanted) {
      this.#phase = 'paused'
      this.#settlePauses()
    } else {
      this.#phase = 'guest'
    }
    return undefined
  }

  /** From there on. True when the guest can run on at once. */
  #continue(): boolean {
    const exit = this.#answer()
    return exit === undefined ? this.#phase === 'guest' : this.#handle(exit)
  }

  /** The same outside of serve(). */
  #later(): void {
    if (this.#hasStopped()) return
    try {
      this.#phase = 'handling'
      if (this.#continue()) hub().resume(this.#seat)
    } catch (error) {
      this.#end({ reason: error })
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

  /** A failure that came before counts more than this one. */
  #end(failure?: Failure): void {
    if (this.#hasStopped()) return
    this.#phase = 'stopped'
    this.#execution.native.stop()
    hub().remove(this.#seat)
    if (this.#referenced) hub().unref()
    this.#onStopped()
    this.#settlePauses()
    const first = this.#failure ?? failure
    if (first === undefined) this.#resolve()
    else this.#reject(first.reason)
  }
}
