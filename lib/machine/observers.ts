import type { Exit } from '../kvm/exits.js'
import type { Outcome } from './outcome.js'

/** An exit of the guest. */
export interface ExitEvent {
  readonly vcpu: number
  /** Valid during the call only. */
  readonly exit: Exit
}

/**
 * Who watches a machine. Each method is called as the thing happens, before the machine does what follows from it; what one
 * throws ends the run, which rejects with it.
 */
export interface Observer {
  /**
   * The guest has left a vCPU. While somebody listens, every access of the guest to a device is an exit, and nothing is answered
   * without JavaScript: it is slower.
   */
  exit?(event: ExitEvent): void
  /** What the guest has written to its serial lines. `bytes` is valid during the call only. */
  console?(bytes: Uint8Array): void
  /** The guest has reset the machine, by `cause`. */
  reset?(cause: string): void
  /** The run has ended. */
  outcome?(outcome: Outcome): void
  /** A device cannot go on; the run will reject. */
  failure?(error: unknown): void
  /** A device does nothing any more until its driver has reset it; the guest runs on. `error` says why. */
  needsReset?(device: string, error: unknown): void
  /** The power button was pressed; `heard` says whether the guest's operating system listens. */
  powerButton?(heard: boolean): void
  /** Firmware, or a kernel, has said how far it has come: what it wrote to port 0x80. */
  postCode?(code: number): void
}

/** All who watch one machine. */
export class Observers {
  readonly #observers = new Set<Observer>()
  #watchesExits = false

  /** Returns what ends it. */
  add(observer: Observer): () => void {
    this.#observers.add(observer)
    this.#count()
    return () => {
      this.#observers.delete(observer)
      this.#count()
    }
  }

  /** Whether somebody wants to hear of exits: nobody else pays for it. */
  get watchesExits(): boolean {
    return this.#watchesExits
  }

  tell<Name extends keyof Observer>(name: Name, ...values: Parameters<Required<Observer>[Name]>): void {
    for (const observer of this.#observers) {
      const call = observer[name] as ((...values: unknown[]) => void) | undefined
      call?.apply(observer, values)
    }
  }

  #count(): void {
    this.#watchesExits = [...this.#observers].some((observer) => 'exit' in observer)
  }
}
