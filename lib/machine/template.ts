import { KvmError } from '../errors.js'
import type { HostMemory, MemoryImage } from '../kvm/host-memory.js'
import type { Machine } from './machine.js'
import type { SavedRegion } from './machine-memory.js'
import type { MachineState } from './machine-state.js'
import type { RestoreOptions } from './restore-options.js'

/** What a machine is restored from. */
export interface MachineOrigin {
  readonly state: MachineState
  /** Memory that begins as that region was. It is the caller's. */
  open(region: SavedRegion): HostMemory
  /** Puts into memory that is as it was when {@link open} mapped it what `open` put there; absent where that is nothing. */
  patch?(region: SavedRegion, memory: HostMemory): void
  /** Throws where it has been closed. */
  checkOpen?(): void
  /** The snapshots from which the memory differs only in pages that were written. */
  readonly ids?: readonly string[]
}

/** A machine as it was when it was frozen, to be forked. Forks share its memory until they write to it. */
export class Template implements MachineOrigin {
  readonly state: MachineState
  readonly #images: ReadonlyMap<number, MemoryImage>
  readonly #restore: (template: Template, options: RestoreOptions) => Promise<Machine>
  #closed = false

  /** @internal */
  constructor(
    state: MachineState,
    images: ReadonlyMap<number, MemoryImage>,
    restore: (template: Template, options: RestoreOptions) => Promise<Machine>,
  ) {
    this.state = state
    this.#images = images
    this.#restore = restore
  }

  /**
   * A machine that goes on from where this one was frozen, when its `run()` is called. `devices` has the same devices, made anew:
   * each gets the state of the one with its name.
   */
  fork(options: RestoreOptions = {}): Promise<Machine> {
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
