import { KvmError } from '../errors.js'
import type { HostMemory, MemoryImage } from '../kvm/host-memory.js'
import type { SavedRegion } from './machine-memory.js'
import type { MachineState } from './machine-state.js'
import type { MachineOrigin } from './origin.js'
import type { RestoreOptions } from './restore-options.js'

/** A machine as it was when it was frozen, to be forked. Forks share its memory until they write to it. `Fork`: what a fork is, a `Machine`. */
export class MachineTemplate<Fork> implements MachineOrigin {
  readonly state: MachineState
  readonly #images: ReadonlyMap<number, MemoryImage>
  readonly #restore: (template: MachineOrigin, options: RestoreOptions) => Promise<Fork>
  #closed = false

  /** @internal */
  constructor(
    state: MachineState,
    images: ReadonlyMap<number, MemoryImage>,
    restore: (template: MachineOrigin, options: RestoreOptions) => Promise<Fork>,
  ) {
    this.state = state
    this.#images = images
    this.#restore = restore
  }

  /**
   * A machine that goes on from where this one was frozen, when its `run()` is called. `devices` has the same devices, made anew:
   * each gets the state of the one with its name.
   */
  fork(options: RestoreOptions = {}): Promise<Fork> {
    return this.#restore(this, options)
  }

  open({ at }: SavedRegion): HostMemory {
    this.checkOpen()
    return (this.#images.get(at) as MemoryImage).copy()
  }

  checkOpen(): void {
    if (this.#closed) throw new KvmError('ERR_KVM_CLOSED', 'this template has been closed')
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Forks stay. Closing again does nothing. */
  close(): void {
    this.#closed = true
    for (const image of this.#images.values()) image.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
