import type { DirtyTracking } from './dirty-pages.js'
import type { VmFd } from './fd.js'
import type { GsiRoutes } from './gsi-routes.js'
import type { MemorySlots } from './memory-slots.js'

/** What the calls of a VM need of it. */
export interface VmInside {
  readonly fd: VmFd
  /** What KVM_CREATE_VM was given. */
  readonly type: number
  readonly slots: MemorySlots
  readonly dirty: DirtyTracking
  readonly gsiRoutes: GsiRoutes
  /** To be closed with it. */
  readonly eventfds: Set<{ close(): void }>
  /** Which of the pages that Intel processors need have been placed. */
  readonly addressesSet: { tss: boolean; identityMap: boolean }
}
