import { KvmError } from '../errors.js'
import { PHYSICAL_ADDRESS_END } from '../memory/accessors.js'
import type { RegionBacking } from '../memory/region.js'
import { checkInteger, checkOneOf, checkOptions, invalidArgument } from '../validate.js'
import { binding, type NativeMemory } from './binding.js'
import { errnoName } from './fd.js'

/** What memory is made of. */
export interface HostMemoryOptions {
  /** In bytes, a multiple of the host's page size (of the huge page size, with `hugePages`). */
  size: number
  /** `memfd` (the default): a file in memory that other mappings can share. `anonymous`: private to this process. */
  backing?: 'memfd' | 'anonymous'
  /**
   * `2M` and `1G`: taken from the host's pool of huge pages of that size, which the administrator must have filled.
   * `transparent`: the kernel may use huge pages as memory is touched. The guest then faults less often, and uses more
   * memory than it touches. For `anonymous` memory Linux allows that as it comes; for `memfd` only where
   * `/sys/kernel/mm/transparent_hugepage/shmem_enabled` says `advise`. Where it is not allowed, pages are ordinary.
   */
  hugePages?: '2M' | '1G' | 'transparent'
}

const BACKINGS = ['memfd', 'anonymous'] as const
const HUGE_PAGE_SHIFTS = { '2M': 21, '1G': 30, transparent: 0 } as const
const HUGE_PAGES = ['2M', '1G', 'transparent'] as const

/**
 * Memory of this process that VMs can use as guest memory. `vm.addMemory({ at, size })` allocates its own; allocate it
 * yourself to put the same memory into several VMs, or to keep it when a VM goes.
 */
export class HostMemory implements RegionBacking {
  /** In bytes. */
  readonly size: number
  #native: NativeMemory | undefined

  private constructor(size: number, native: NativeMemory) {
    this.size = size
    this.#native = native
  }

  /**
   * Allocates zeroed memory. Pages are taken from the host as they are touched (huge pages at once).
   * Throws `ERR_KVM_OUT_OF_MEMORY` when the host has none.
   */
  static allocate(options: HostMemoryOptions): HostMemory {
    const { size, backing, hugePages } = checkOptions('options', options, ['size', 'backing', 'hugePages'])
    const kind = backing === undefined ? 'memfd' : checkOneOf('backing', backing, BACKINGS)
    const shift = hugePages === undefined ? 0 : HUGE_PAGE_SHIFTS[checkOneOf('hugePages', hugePages, HUGE_PAGES)]
    const unit = Math.max(binding.pageSize, shift === 0 ? 0 : 2 ** shift)
    const bytes = checkInteger('size', size, unit, PHYSICAL_ADDRESS_END)
    if (bytes % unit !== 0) throw invalidArgument('size', size, `a multiple of ${unit}`)
    try {
      return new HostMemory(
        bytes,
        new binding.Memory(bytes, BACKINGS.indexOf(kind), shift, hugePages === 'transparent'),
      )
    } catch (cause) {
      throw outOfMemory(bytes, hugePages, cause)
    }
  }

  get closed(): boolean {
    return this.#native === undefined
  }

  /** @internal */
  get native(): NativeMemory {
    if (this.#native === undefined) throw new KvmError('ERR_KVM_CLOSED', 'this memory has been closed')
    return this.#native
  }

  /** @internal */
  buffer(offset: number, length: number): ArrayBuffer {
    return this.native.buffer(offset, length)
  }

  /**
   * Gives the memory back to the host; every view of it then has length 0. Closing again does nothing.
   * Throws `ERR_KVM_MEMORY_IN_USE` while a VM uses it: remove the region or close the VM first.
   */
  close(): void {
    if (this.#native?.close() === false) {
      throw new KvmError(
        'ERR_KVM_MEMORY_IN_USE',
        'a VM still uses this memory; remove its region or close the VM first',
        {
          operands: { size: this.size },
        },
      )
    }
    this.#native = undefined
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

function outOfMemory(size: number, hugePages: unknown, cause: unknown): KvmError {
  const { errno } = cause as { errno?: number }
  const files = errno !== undefined && /^E[MN]FILE$/.test(errnoName(errno))
  const advice = files
    ? 'no file descriptor is left; close VMs, or raise the limit (ulimit -n)'
    : hugePages === undefined || hugePages === 'transparent'
      ? 'the host refuses that much'
      : `the host has too few free huge pages; reserve some in /sys/kernel/mm/hugepages`
  return new KvmError('ERR_KVM_OUT_OF_MEMORY', `cannot allocate ${size} bytes of guest memory: ${advice}`, {
    operands: { size, hugePages },
    ...(errno === undefined ? {} : { errno }),
    cause,
  })
}
