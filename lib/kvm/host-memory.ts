import { KvmError } from '../errors.js'
import { PHYSICAL_ADDRESS_END } from '../memory/accessors.js'
import type { RegionBacking } from '../memory/region.js'
import { checkInteger, checkOneOf, checkOptions, invalidArgument } from '../validate.js'
import { binding, type NativeMemory } from './binding.js'
import { allocationFailure, copyFailure, freezeFailure, wrongKind } from './memory-failure.js'
import { Backing, checkFile, type MemoryFileOptions, openFile } from './memory-file.js'
import { Userfault, type UserfaultHandler, type UserfaultOptions } from './userfault.js'

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
 * yourself to put the same memory into several VMs, to keep it when a VM goes, or to share it with other processes.
 */
export class HostMemory implements RegionBacking {
  /** In bytes. */
  readonly size: number
  #native: NativeMemory | undefined
  /** Where in its file it begins. */
  readonly #offset: number
  #userfault: Userfault | undefined

  /** @internal */
  constructor(size: number, native: NativeMemory, offset = 0) {
    this.size = size
    this.#native = native
    this.#offset = offset
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
      return new HostMemory(bytes, new binding.Memory(bytes, Backing[kind], shift, hugePages === 'transparent'))
    } catch (cause) {
      throw allocationFailure(bytes, hugePages, cause)
    }
  }

  /**
   * Memory that is a file which somebody has opened, or a part of it: what a guest writes is in the file, and whoever else has the
   * file mapped sees it. With `private` it is a copy: it begins as the file is, and shares its pages until it writes to them.
   * The descriptor stays yours; close it when you like.
   *
   * Throws `ERR_KVM_MEMORY_KIND` for a file that cannot be memory, or can shrink, and one that may not be written.
   */
  static fromFd(options: MemoryFileOptions): HostMemory {
    const file = checkFile(options)
    return new HostMemory(file.size, openFile(file), file.offset)
  }

  get closed(): boolean {
    return this.#native === undefined
  }

  /**
   * The descriptor of the file that has this memory's content, for other processes; undefined where no file has it: `anonymous`
   * memory, and copies. It is closed with the memory, so do not close it. A process that you start has it when you pass it on:
   * `spawn(command, { stdio: ['inherit', 'inherit', 'inherit', memory.fd] })`.
   */
  get fd(): number | undefined {
    const fd = this.native.fd()
    return fd < 0 ? undefined : fd
  }

  /**
   * An image of what the memory has now, to make copies of. Nobody can change an image. The memory itself goes on as the first
   * copy, with its views and its VMs; its file is the image's, so {@link fd} is undefined. Let the guests that use it stand still
   * meanwhile, or the image has pages of different moments.
   *
   * Throws `ERR_KVM_MEMORY_KIND` where the content is not in a memfd of ordinary pages, and `ERR_KVM_MEMORY_IN_USE` while another
   * mapping, here or in another process, could write to the file. The memory is then as it was.
   */
  freeze(): MemoryImage {
    const { native, fd, size } = this
    if (fd === undefined) throw wrongKind('cannot be frozen: no file has its content; allocate it as memfd', { size })
    const image = openFile({ fd, size, offset: this.#offset, backing: Backing.image, unsealed: true })
    try {
      native.freeze()
    } catch (cause) {
      image.close()
      throw freezeFailure(size, cause)
    }
    return new MemoryImage(size, image, this.#offset)
  }

  /**
   * A copy is again as what it is a copy of, at the cost of the pages that were written; its views and its VMs stay. Let the guests
   * that use it stand still meanwhile. Throws `ERR_KVM_MEMORY_KIND` for other memory.
   */
  revert(): void {
    try {
      this.native.revert()
    } catch (cause) {
      throw copyFailure('go back to what it began with', this.size, cause)
    }
  }

  /**
   * Which pages of a copy differ from what it is a copy of, or were written, by whomever: a bit for each page, lowest first. Throws
   * `ERR_KVM_MEMORY_KIND` for other memory.
   */
  writtenPages(): Uint8Array {
    try {
      return this.native.writtenPages()
    } catch (cause) {
      throw copyFailure('say which of its pages were written', this.size, cause)
    }
  }

  /** Whether it is a copy of a file: {@link revert} and {@link writtenPages} are for these. */
  get isCopy(): boolean {
    return this.native.isCopy()
  }

  /** @internal */
  get native(): NativeMemory {
    if (this.#native === undefined) throw new KvmError('ERR_KVM_CLOSED', 'this memory has been closed')
    return this.#native
  }

  /**
   * From now on, who touches a page of this memory that is missing, or protected against writing, waits until `handler` has seen to
   * it: guests, other processes' calls, the kernel. Guests must run on threads of their own (`vcpu.start()`), for the handler needs
   * this one. What this thread itself touches, through `vm.memory` and its kin, is first shown to the handler, who must then see to
   * it before it returns (`ERR_KVM_USERFAULT`); views that were taken before have length 0.
   *
   * Throws `ERR_KVM_NO_PERMISSION` where the host does not let this user.
   */
  userfault(options: UserfaultOptions, handler: UserfaultHandler): Userfault {
    const { native } = this
    if (this.#userfault?.closed === false) {
      throw new KvmError('ERR_KVM_MEMORY_IN_USE', 'this memory has a userfaultfd already; close that first')
    }
    return (this.#userfault = new Userfault(native, this.size, options, handler))
  }

  /** @internal */
  get windowSize(): number | undefined {
    return this.#userfault?.closed === false ? binding.pageSize : undefined
  }

  /** @internal */
  buffer(offset: number, length: number, lasting = false): ArrayBuffer {
    if (this.#userfault?.closed === false) this.#userfault.ready(offset, length)
    return this.native.buffer(offset, length, lasting)
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

/** What a {@link HostMemory} had when it was frozen. Each copy shares its pages until it writes to them. */
export class MemoryImage {
  /** In bytes. */
  readonly size: number
  #native: NativeMemory | undefined
  readonly #offset: number

  /** @internal */
  constructor(size: number, native: NativeMemory, offset: number) {
    this.size = size
    this.#native = native
    this.#offset = offset
  }

  /** Memory with this content, at the cost of the pages that it writes. It does not need the image any more. */
  copy(): HostMemory {
    const { fd, size } = this
    return new HostMemory(
      size,
      openFile({ fd, size, offset: this.#offset, backing: Backing.copyOfFile, unsealed: true }),
    )
  }

  /** For other processes, like that of {@link HostMemory}: `HostMemory.fromFd({ fd, private: true })` is a copy there. */
  get fd(): number {
    if (this.#native === undefined) throw new KvmError('ERR_KVM_CLOSED', 'this memory image has been closed')
    return this.#native.fd()
  }

  get closed(): boolean {
    return this.#native === undefined
  }

  /** Copies stay. The memory goes back to the host when nobody has any of it. Closing again does nothing. */
  close(): void {
    this.#native?.close()
    this.#native = undefined
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
