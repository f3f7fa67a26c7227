import { KvmError } from '../errors.js'
import { Gate } from './gate.js'
import type { Hardware } from './hardware.js'
import { type Ending, Life } from './life.js'
import type { Outcome } from './outcome.js'

/** What a life of the guest stands on. */
export interface Ground {
  readonly hardware: Hardware
  /** The first life is about to begin. */
  readonly begin: () => void
  /** Puts the guest into memory, at its entry. */
  readonly boot: () => void
}

/** The lives of a machine's guest, one after the other, and the moments at which the machine stands still. */
export class Lives {
  readonly #bootsAgain: boolean
  #ground: Ground | undefined
  #present: Life
  #state: 'new' | 'running' | 'ended' = 'new'
  // A wish to pause holds over resets, and before the run. No life begins while there is one.
  readonly #gate = new Gate()
  #paused = false
  // Between two lives.
  #resetting = false
  // How many things are done, or wait to be, for which it stands still.
  #standing = 0
  #turn: Promise<unknown> = Promise.resolve()
  // The present life, up to the moment at which the next one stands ready.
  #settled: Promise<unknown> = Promise.resolve()
  // Why the run is to end, for when the guest ends its life at the same time.
  #ending: Ending | undefined
  // It goes on elsewhere, and never here.
  #hasLeft = false
  #hasRun = false

  constructor(bootsAgain: boolean) {
    this.#bootsAgain = bootsAgain
    // A device can end it while the machine is put together.
    this.#present = this.#newLife()
  }

  get present(): Life {
    return this.#present
  }

  get state(): 'new' | 'running' | 'ended' {
    return this.#state
  }

  /** Whether there is, or was, a run, which tells the devices of its end. */
  get hasRun(): boolean {
    return this.#hasRun
  }

  /** The machine has been put together. */
  standOn(ground: Ground): void {
    this.#ground = ground
  }

  /** Runs the guest until it ends for good. Once. */
  async run(): Promise<Outcome> {
    const { hardware, begin } = this.#whole
    this.#state = 'running'
    this.#hasRun = true
    try {
      for (let first = true; ; first = false) {
        if (this.#gate.closed) await this.#gate.pass()
        // It may have been said while there was no life.
        if (this.#ending !== undefined) this.#present.end(this.#ending)
        // What was changed by hand until now belongs to it.
        if (first && !hardware.vm.closed) begin()
        const life = this.#oneLife()
        this.#settled = life.catch(() => undefined)
        const outcome = await life
        if (outcome !== undefined) return outcome
      }
    } finally {
      this.#state = 'ended'
    }
  }

  /** Resolves when every vCPU is outside the guest and every device stands still, until {@link resume}. */
  async pause(): Promise<void> {
    this.#paused = true
    await this.#standStill()
  }

  resume(): void {
    this.#paused = false
    this.#goOn()
  }

  /** Does something while the machine stands still: one thing after the other. It is paused afterwards if somebody wants it so. */
  standingStill<T>(action: () => T | Promise<T>): Promise<T> {
    const inTurn = async (before: Promise<unknown>) => {
      this.#standing++
      try {
        await before
        await this.#standStill()
        this.checkAlive()
        return await action()
      } finally {
        this.#standing--
        this.#goOn()
      }
    }
    const done = inTurn(this.#turn)
    this.#turn = done.catch(() => undefined)
    return done
  }

  /** Devices that are closed have no state. */
  checkAlive(): void {
    if (this.#whole.hardware.vm.closed) throw closedError()
    if (this.#state !== 'ended' && !this.#present.ended) return
    throw new KvmError('ERR_KVM_GUEST_ENDED', 'the guest has ended; there is nothing that could go on')
  }

  checkRunnable(): void {
    if (this.#whole.hardware.vm.closed) throw closedError()
    if (this.#state === 'running') throw new KvmError('ERR_KVM_RUNNING', 'the machine runs already; stop() it first')
    if (this.#state === 'ended') {
      throw new KvmError('ERR_KVM_GUEST_ENDED', 'the guest has ended; Machine.create() makes a machine that can run')
    }
  }

  /** Ends the run from outside. Without one it does nothing. */
  async end(ending: Ending): Promise<void> {
    if (this.#state !== 'running') return
    this.#ending ??= ending
    const stopped = this.#present.stop(ending)
    this.#gate.open()
    await stopped
  }

  /** The machine goes on elsewhere; it stands still here, and nothing lets it go on. */
  async leave(): Promise<void> {
    this.#hasLeft = true
    if (this.#state === 'running') return this.end({ kind: 'migrated' })
    this.#present.end({ kind: 'migrated' })
    this.#state = 'ended'
  }

  /** Ends all of it while `close` closes the VM: no vCPU is waited for. */
  close(close: () => void): void {
    this.#ending ??= { kind: 'stopped' }
    if (this.#state !== 'running') this.#present.end({ kind: 'stopped' })
    close()
    this.#gate.open()
    if (this.#state === 'new') this.#state = 'ended'
  }

  get #whole(): Ground {
    return this.#ground as Ground
  }

  async #standStill(): Promise<void> {
    this.#gate.close()
    const life = this.#present
    await this.#whole.hardware.pauses.pause()
    // It was about to reset: the next life stands at its entry now.
    if (life.ended || this.#resetting) await this.#settled
  }

  /** Unless somebody wants it to stand still. */
  #goOn(): void {
    if (this.#paused || this.#standing > 0 || this.#hasLeft) return
    this.#whole.hardware.pauses.resume()
    this.#gate.open()
  }

  /** How it ended; undefined when it was a reset and the next life stands ready. */
  async #oneLife(): Promise<Outcome | undefined> {
    const { hardware, boot } = this.#whole
    const outcome = await this.#present.run()
    if (outcome.kind !== 'reset') return outcome
    hardware.observers.tell('reset', outcome.cause)
    if (!this.#bootsAgain) return outcome
    if (this.#ending !== undefined) return { ...this.#ending, at: outcome.at }
    this.#present = this.#newLife()
    this.#resetting = true
    try {
      await hardware.reset()
      boot()
    } catch (error) {
      // A device can close the machine when it is reset.
      if (!hardware.vm.closed) throw error
    } finally {
      this.#resetting = false
    }
    return undefined
  }

  #newLife(): Life {
    return new Life(() => this.#ground?.hardware)
  }
}

export const closedError = (): KvmError => new KvmError('ERR_KVM_CLOSED', 'the machine has been closed')
