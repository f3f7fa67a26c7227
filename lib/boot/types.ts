import type { EntryState } from '../arch/x86/registers.js'
import type { Placed } from '../memory/placed.js'

export interface BootResult {
  entry: EntryState
  /** What was put where, lowest address first. */
  placed: Placed[]
}
