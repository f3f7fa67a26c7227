import type { MemoryRegion } from '../memory/region.js'
import { binding, type NativeVcpuRun } from './binding.js'
import { DirtyRing } from './dirty-ring.js'
import type { VmFd } from './fd.js'
import type { MemorySlots } from './memory-slots.js'

/** The pages that the guest has written since they were asked for last: guest physical addresses, in order. */
export interface DirtyPages extends Iterable<number> {
  /** Where they come from: each region's bitmap (`logDirtyPages`), or the vCPUs' rings (KVM_CAP_DIRTY_LOG_RING). */
  readonly via: 'log' | 'ring'
  /** How many there are. */
  readonly count: number
  /** Bytes in a page. */
  readonly pageSize: number
  /**
   * False when pages may be missing: a vCPU was closed while it ran, or a ring had no free entry left. A host that runs guests on a
   * processor comes out before that (`dirty-ring-full`); one that emulates many instructions at a time may not: give it larger rings.
   */
  readonly complete: boolean
}

/** Which of the kernel's ways of dirty tracking a VM uses, and what it has found. */
export class DirtyTracking {
  /** The bytes of each vCPU's ring; 0 without rings. */
  ringBytes = 0
  /** With KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 the log is taken with KVM_CLEAR_DIRTY_LOG. */
  manualProtect = false
  readonly #fd: VmFd
  readonly #slots: MemorySlots
  readonly #rings = new Map<NativeVcpuRun, DirtyRing>()
  #complete = true
  // Of vCPUs that have been closed.
  #left: number[] = []

  constructor(fd: VmFd, slots: MemorySlots) {
    this.#fd = fd
    this.#slots = slots
  }

  addVcpu(vcpu: NativeVcpuRun): void {
    if (this.ringBytes > 0) this.#rings.set(vcpu, new DirtyRing(vcpu.dirtyRing(this.ringBytes)))
  }

  /** Before the vCPU is closed. One whose thread still runs may write a little more, which nobody will know of. */
  removeVcpu(vcpu: NativeVcpuRun, running: boolean): void {
    const ring = this.#rings.get(vcpu)
    if (ring === undefined) return
    this.#rings.delete(vcpu)
    this.#collect(ring, this.#left)
    if (running) this.#complete = false
  }

  /** Before a region is removed: what the rings say of its slot must not be taken for the next one's that gets it. */
  collect(): void {
    for (const ring of this.#rings.values()) this.#collect(ring, this.#left)
  }

  /** After it has been. */
  forget({ at, size }: MemoryRegion): void {
    this.#left = this.#left.filter((address) => address < at || address >= at + size)
  }

  take(): DirtyPages {
    this.#fd.checkOpen()
    const pages = this.ringBytes > 0 ? this.#fromRings() : this.#fromLog()
    const complete = this.#complete
    this.#complete = true
    return {
      complete,
      via: this.ringBytes > 0 ? 'ring' : 'log',
      count: pages.length,
      pageSize: binding.pageSize,
      [Symbol.iterator]: () => pages.values(),
    }
  }

  #fromRings(): number[] {
    const found = this.#left
    this.#left = []
    for (const ring of this.#rings.values()) this.#collect(ring, found)
    try {
      this.#fd.ioctl('KVM_RESET_DIRTY_RINGS')
    } catch (cause) {
      this.#left = found
      throw cause
    }
    // Two vCPUs may have written one page.
    return [...new Set(found)].sort((a, b) => a - b)
  }

  #collect(ring: DirtyRing, found: number[]): void {
    const regions = this.#slots.byNumber()
    const count = ring.collect((slot, page) => {
      const region = regions.get(slot)
      // A region that has been removed since is nobody's.
      const offset = page * binding.pageSize
      if (region !== undefined && offset < region.size) found.push(region.at + offset)
    })
    if (count === ring.entries) this.#complete = false
  }

  #fromLog(): number[] {
    const found: number[] = []
    for (const region of this.#slots.logged()) {
      const log = this.#slots.getDirtyLog(region)
      if (this.manualProtect) this.#slots.clearDirtyLog(region, log)
      for (const address of log) found.push(address)
    }
    return found.sort((a, b) => a - b)
  }
}
