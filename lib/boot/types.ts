import type { EntryState } from '../arch/x86/registers.js'
import type { Placed } from '../memory/placed.js'

/** What a loader needs of guest memory; `GuestMemory` has it. All addresses are guest physical. */
export interface BootMemory {
  write(address: number, bytes: Uint8Array): void
  fill(address: number, length: number, value: number): void
  readonly regions: readonly { readonly at: number; readonly size: number; readonly readonly: boolean }[]
}

export interface BootResult {
  entry: EntryState
  /** What was put where, lowest address first. */
  placed: Placed[]
}
