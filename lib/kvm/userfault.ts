import { KvmError } from '../errors.js'
import { hex } from '../format.js'
import { checkBoolean, checkBytes, checkInteger, checkOptions, invalidArgument } from '../validate.js'
import { binding, type NativeMemory, type NativeUserfault } from './binding.js'
import { currentContext } from './context.js'
import { needsEventLoop } from './event.js'
import { errnoName } from './fd.js'
import { userfaultFailure } from './memory-failure.js'

/** Which accesses wait. At least one must be true. */
export interface UserfaultOptions {
  /** Those to a page that does not exist yet: nobody has touched it, and the memory's file has nothing there. */
  missing?: boolean
  /** Writes to a page that {@link Userfault.protect} has protected. */
  writeProtect?: boolean
  /** Those to a page of the memory's file that this process has not touched yet. */
  minor?: boolean
}

export type UserfaultKind = 'missing' | 'writeProtect' | 'minor'

/** Sees to a fault, now or later. */
export type UserfaultHandler = (fault: UserfaultFault) => unknown

// UFFDIO_REGISTER_MODE_* and UFFD_PAGEFAULT_FLAG_* of <linux/userfaultfd.h>.
const MODES = { missing: 1, writeProtect: 2, minor: 4 } as const
const FLAG_WRITE = 1
const FLAG_WRITE_PROTECT = 2
const FLAG_MINOR = 4

/**
 * Lets JavaScript see to the pages of a memory when a guest touches them: `memory.userfault()`. A vCPU that touches one waits, in
 * the kernel, until that page has been filled, or may be written. All offsets count from the memory's first byte.
 */
export class Userfault {
  readonly #native: NativeUserfault
  readonly #size: number
  readonly #handler: UserfaultHandler
  readonly #modes: { [kind in UserfaultKind]: boolean }
  /** One for each page that is protected against writing. */
  readonly #protected: Uint8Array
  /** One for each page that has been filled by whoever was told that it is missing. */
  readonly #filled: Uint8Array

  /** @internal */
  constructor(memory: NativeMemory, size: number, options: UserfaultOptions, handler: UserfaultHandler) {
    const given = checkOptions('options', options, Object.keys(MODES))
    const on = (kind: UserfaultKind) => checkBoolean(kind, given[kind] ?? false)
    this.#modes = { missing: on('missing'), writeProtect: on('writeProtect'), minor: on('minor') }
    const mode = (['missing', 'writeProtect', 'minor'] as const).reduce(
      (bits, kind) => bits | (this.#modes[kind] ? MODES[kind] : 0),
      0,
    )
    if (mode === 0) throw invalidArgument('options', options, 'one of missing, writeProtect and minor at least')
    if (typeof handler !== 'function') throw invalidArgument('handler', handler, 'a function')
    needsEventLoop('a userfaultfd')
    this.#size = size
    this.#handler = handler
    this.#protected = new Uint8Array(this.#modes.writeProtect ? size / binding.pageSize : 0)
    this.#filled = new Uint8Array(this.#modes.missing ? size / binding.pageSize : 0)
    const context = currentContext()
    try {
      this.#native = new binding.Userfault(memory, mode, (offset, flags) => {
        context(() => {
          this.#tell(offset, flags)
        })
      })
    } catch (cause) {
      throw userfaultFailure(size, cause)
    }
  }

  /** Closing the memory closes it, and so does closing a VM that uses the memory while a vCPU is in the guest. */
  get closed(): boolean {
    return this.#native.closed()
  }

  /**
   * Fills missing pages, whether somebody waits for them or not, and lets go on who does. Pages that are there stay as they are.
   * Returns how many were missing.
   */
  copy(offset: number, bytes: Uint8Array): number {
    checkBytes('bytes', bytes)
    this.#checkPages(offset, bytes.length)
    return this.#done('UFFDIO_COPY', this.#native.copy(offset, bytes, false), offset, bytes.length)
  }

  /** The same with zeros. */
  zero(offset: number, length: number): number {
    this.#checkPages(offset, length)
    return this.#done('UFFDIO_ZEROPAGE', this.#native.zero(offset, length), offset, length)
  }

  /** The same, for `minor` faults, with what the file has. */
  proceed(offset: number, length: number): number {
    this.#checkPages(offset, length)
    return this.#done('UFFDIO_CONTINUE', this.#native.proceed(offset, length), offset, length)
  }

  /** Whoever writes to these pages from now on waits. Views of the memory that were taken before have length 0 then. */
  protect(offset: number, length: number): void {
    this.#setProtection(offset, length, true)
  }

  /** These pages can be written again; who waits for that goes on. */
  unprotect(offset: number, length: number): void {
    this.#setProtection(offset, length, false)
  }

  /** Ends it. Who waits goes on: missing pages are zero, and none is protected. Closing again does nothing. */
  close(): void {
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /**
   * Before this thread touches these pages: it must not wait, for it would wait for itself.
   * @internal
   */
  ready(offset: number, length: number): void {
    if (this.#modes.minor)
      throw notReady(offset, 'may not be touched by this thread; reach it by another memory over its file')
    const page = binding.pageSize
    for (let at = offset - (offset % page); at < offset + length; at += page) {
      const index = at / page
      if (this.#modes.missing && !this.#native.resident(at)) {
        this.#filled[index] = 0
        this.#tell(at, 0)
        // Swapped out is not missing: then it had been filled before.
        if (this.#filled[index] === 0) throw notReady(at, NOT_AT_ONCE)
      }
      if (!this.#isProtected(index)) continue
      this.#tell(at, FLAG_WRITE_PROTECT | FLAG_WRITE)
      if (this.#isProtected(index)) throw notReady(at, NOT_AT_ONCE)
    }
  }

  #tell(offset: number, flags: number): void {
    const kind = flags & FLAG_WRITE_PROTECT ? 'writeProtect' : flags & FLAG_MINOR ? 'minor' : 'missing'
    this.#handler(new UserfaultFault(this, offset, kind, (flags & FLAG_WRITE) !== 0))
  }

  #isProtected(page: number): boolean {
    return this.#protected[page] === 1
  }

  #setProtection(offset: number, length: number, on: boolean): void {
    this.#checkPages(offset, length)
    if (!this.#modes.writeProtect) throw invalidArgument('writeProtect', false, 'true in the options of userfault()')
    this.#done('UFFDIO_WRITEPROTECT', this.#native.protect(offset, length, on), offset, length)
    this.#protected.fill(on ? 1 : 0, offset / binding.pageSize, (offset + length) / binding.pageSize)
  }

  #checkPages(offset: unknown, length: unknown): void {
    if (this.closed) throw new KvmError('ERR_KVM_CLOSED', 'this userfaultfd has been closed')
    const page = binding.pageSize
    const start = checkInteger('offset', offset, 0, this.#size - page)
    if (start % page !== 0) throw invalidArgument('offset', offset, `a multiple of ${page}`)
    const bytes = checkInteger('length', length, page, this.#size - start)
    if (bytes % page !== 0) throw invalidArgument('length', length, `a multiple of ${page}`)
  }

  #done(ioctl: string, result: number, offset: number, length: number): number {
    if (result >= 0) {
      this.#filled.fill(1, offset / binding.pageSize, (offset + length) / binding.pageSize)
      return result
    }
    throw new KvmError('ERR_KVM_IOCTL', `${ioctl} failed with ${errnoName(-result)}`, {
      operands: { offset, length },
      errno: -result,
      ioctl,
    })
  }
}

/** Somebody waits for a page. One of the methods ends that, at any time; which one, depends on {@link kind}. */
export class UserfaultFault {
  readonly #userfault: Userfault
  /** The page's first byte, counted from the memory's. */
  readonly offset: number
  readonly kind: UserfaultKind
  /** Whether the access is known to be a write. */
  readonly write: boolean

  /** @internal */
  constructor(userfault: Userfault, offset: number, kind: UserfaultKind, write: boolean) {
    this.#userfault = userfault
    this.offset = offset
    this.kind = kind
    this.write = write
  }

  /** Fills the page, and more if there are bytes for it: whole pages. False when it was there already. */
  copy(bytes: Uint8Array): boolean {
    return this.#userfault.copy(this.offset, bytes) > 0
  }

  /** Fills the page with zeros. False when it was there already. */
  zero(): boolean {
    return this.#userfault.zero(this.offset, binding.pageSize) > 0
  }

  /** Takes what the file has. */
  proceed(): boolean {
    return this.#userfault.proceed(this.offset, binding.pageSize) > 0
  }

  /** Lets the page be written. */
  unprotect(): void {
    this.#userfault.unprotect(this.offset, binding.pageSize)
  }
}

const NOT_AT_ONCE =
  'needs the handler, and the handler has not seen to it before it returned: this thread cannot wait for itself'

function notReady(offset: number, why: string): KvmError {
  return new KvmError('ERR_KVM_USERFAULT', `the page at offset ${hex(offset)} of this memory ${why}`, {
    operands: { offset },
  })
}
