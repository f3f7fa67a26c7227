import type { Vcpu } from '../kvm/vcpu.js'
import { watchForHalt } from './halt-watch.js'
import type { GuestPlace, Outcome } from './outcome.js'
import { failure } from './failures.js'

/** How a life ends, without the place. */
export type Ending = Outcome extends infer One ? (One extends Outcome ? Omit<One, 'at'> : never) : never

/** What lives. */
export interface Body {
  readonly vcpus: readonly Vcpu[]
  /** Runs a vCPU until it has stopped. What it rejects with says where the vCPU was. */
  start(vcpu: Vcpu): Promise<void>
  /** Where the guest is. */
  place(): GuestPlace
  /** Resolves when every vCPU is outside the guest. */
  comeOut(): Promise<void>
  /** Takes the guest out for a moment, unless somebody has paused it, and calls `found` if nothing can wake it. */
  lookForHalt(found: () => void): Promise<void>
}

const NOWHERE: GuestPlace = { vcpu: 0, rip: undefined }

/** One life of a machine's guest: from the boot loader's entry to power-off, reset or death. */
export class Life {
  readonly #body: () => Body | undefined
  readonly #errors: unknown[] = []
  #outcome: Outcome | undefined
  #running = false

  /** `body` returns undefined as long as it is not put together. */
  constructor(body: () => Body | undefined) {
    this.#body = body
  }

  /** Whether it is over, or has never to begin. */
  get ended(): boolean {
    return this.#outcome !== undefined
  }

  get outcome(): Outcome | undefined {
    return this.#outcome
  }

  /** Ends it; the first reason counts. */
  end(ending: Ending): void {
    if (this.#outcome !== undefined) return
    this.#outcome = { ...ending, at: this.#body()?.place() ?? NOWHERE }
    this.#stopVcpus()
  }

  /** The same from outside, once every vCPU is out of the guest. */
  async stop(ending: Ending): Promise<void> {
    if (this.#running) await this.#body()?.comeOut()
    this.end(ending)
  }

  /** Something in it cannot go on. */
  fail(error: unknown): void {
    this.#errors.push(error)
    this.#stopVcpus()
  }

  /** Runs every vCPU until it ends. */
  async run(): Promise<Outcome> {
    const body = this.#body()
    // A device can have ended it before it began, or have failed.
    const vcpus = this.#outcome === undefined && this.#errors.length === 0 && body !== undefined ? body.vcpus : []
    this.#running = true
    const endWatch = watchForHalt(vcpus, async () => {
      await body?.lookForHalt(() => {
        this.end({ kind: 'halted' })
      })
    })
    await Promise.all(
      vcpus.map(async (vcpu) => {
        try {
          await body?.start(vcpu)
        } catch (error) {
          this.fail(error)
        }
      }),
    )
    endWatch()
    this.#running = false
    if (this.#errors.length > 0) throw failure(this.#errors, 0, this.#outcome)
    this.end({ kind: 'stopped' })
    // Just set, if it was not before.
    return this.#outcome as unknown as Outcome
  }

  #stopVcpus(): void {
    // What fails on the way, start() tells.
    for (const vcpu of this.#body()?.vcpus ?? []) vcpu.stop().catch(() => undefined)
  }
}
