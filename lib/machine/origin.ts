import type { HostMemory } from '../kvm/host-memory.js'
import type { SavedRegion } from './machine-memory.js'
import type { MachineState } from './machine-state.js'

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
  /** The one machine goes on here, as after a migration: nobody else goes on from this state, and no device is told of a fork. */
  readonly continues?: boolean
}
