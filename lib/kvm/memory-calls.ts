import type { MemoryRegion } from '../memory/region.js'
import { checkBoolean, checkInteger, checkOptions, checkUint64 } from '../validate.js'
import type { Calls } from './calls.js'
import type { DirtyLog } from './dirty-log.js'
import type { DirtyPages } from './dirty-pages.js'
import { kvm_memory_attributes } from './generated/common.js'
import { GuestMemfd, type GuestMemfdOptions } from './guest-memfd.js'
import type { RegionMemory } from './memory-slots.js'
import type { VmInside } from './vm-inside.js'

/** What a VM's memory can, beside being there. */
export interface VmMemoryCalls {
  /**
   * The memory behind a region of this VM, and where the region begins in it: to freeze it, to give its file to another process, to put
   * it into another VM. What addMemory() has allocated is closed when the region is removed, or the VM closed.
   */
  hostMemory(region: MemoryRegion): RegionMemory
  /**
   * Switches the dirty log of a region on or off (KVM_SET_USER_MEMORY_REGION), as `logDirtyPages` does from the beginning. What the
   * guest wrote before is not in it. A guest that runs may go on meanwhile.
   */
  logDirtyPages(region: MemoryRegion, on: boolean): void
  /**
   * The pages that the guest has written since this was called last, of all regions with `logDirtyPages`, and perhaps some that
   * were only read for the first time. It uses rings where they were enabled before the first vCPU (`vm.enableCap('KVM_CAP_DIRTY_LOG_RING_ACQ_REL',
   * bytes)`), which costs as much as was written; else each region's log, which costs as much as there is memory. All that a vCPU has
   * written is in it when the vCPU is paused. A ring that is full is a `dirty-ring-full` exit: call this, and run on.
   */
  dirtyPages(): DirtyPages
  /**
   * KVM_GET_DIRTY_LOG: the pages of a region written since the last call, and perhaps some that were only read for the
   * first time. The region needs `logDirtyPages`. With KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, until clearDirtyLog() says that they
   * are no longer dirty.
   */
  getDirtyLog(region: MemoryRegion): DirtyLog
  /** KVM_CLEAR_DIRTY_LOG: what `log` names is tracked anew. Needs KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
  clearDirtyLog(region: MemoryRegion, log: DirtyLog): void
  /** KVM_RESET_DIRTY_RINGS: how many pages are tracked anew. dirtyPages() does this itself. */
  resetDirtyRings(): number
  /** KVM_CREATE_GUEST_MEMFD: memory that only guests see, for `addMemory({ guestMemfd })`. */
  createGuestMemfd(options: GuestMemfdOptions): GuestMemfd
  /** KVM_SET_MEMORY_ATTRIBUTES: KVM_MEMORY_ATTRIBUTE_PRIVATE, or 0, for whole pages. */
  setMemoryAttributes(options: { address: number; size: number; attributes: bigint }): void
}

export const vmMemoryCalls: Calls<VmMemoryCalls, VmInside> = {
  hostMemory: ({ slots }, region) => slots.hostMemory(region),
  logDirtyPages({ slots }, region, on) {
    slots.logDirtyPages(region, checkBoolean('on', on))
  },
  dirtyPages: ({ dirty }) => dirty.take(),
  getDirtyLog: ({ slots }, region) => slots.getDirtyLog(region),
  clearDirtyLog({ slots }, region, log) {
    slots.clearDirtyLog(region, log)
  },
  resetDirtyRings: ({ fd }) => fd.ioctl('KVM_RESET_DIRTY_RINGS'),
  createGuestMemfd: ({ fd }, options) => new GuestMemfd(fd, options),
  setMemoryAttributes({ fd }, options) {
    const { address, size, attributes } = checkOptions('options', options, ['address', 'size', 'attributes'])
    const value = {
      address: BigInt(checkInteger('address', address, 0, Number.MAX_SAFE_INTEGER)),
      size: BigInt(checkInteger('size', size, 1, Number.MAX_SAFE_INTEGER)),
      attributes: checkUint64('attributes', attributes),
    }
    fd.set('KVM_SET_MEMORY_ATTRIBUTES', kvm_memory_attributes, value, { address, size, attributes })
  },
}
