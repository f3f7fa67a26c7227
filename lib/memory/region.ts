import { KvmError } from '../errors.js'
import { hex } from '../format.js'
import { type Backed, MemoryAccessors, type Window } from './accessors.js'

/** Host memory that can stand behind a region. */
export interface RegionBacking {
  /** In bytes. */
  readonly size: number
  /**
   * An ArrayBuffer over part of it; the same bytes each time. It is detached when {@link windowSize} changes, and when the memory
   * is closed; one that is to last is not, and shows zeros when the memory is closed.
   */
  buffer(offset: number, length: number, lasting?: boolean): ArrayBuffer
  /** Through how large pieces it wants to be seen, in bytes; as large as {@link WINDOW_SIZE} where that is all the same. */
  readonly windowSize?: number | undefined
}

/** What a region is made of; validated by whoever makes it. */
export interface RegionDescription {
  /** Guest physical address of the first byte. */
  at: number
  /** In bytes. */
  size: number
  backing: RegionBacking
  /** Where the region starts in its backing, in bytes. */
  offset: number
  readonly: boolean
  logDirtyPages: boolean
}

// A region is seen through several ArrayBuffers, each made when it is needed: V8 counts one as that much of its own memory,
// and from 64 MiB on it collects garbage to get it back, which takes longer than all that a boot loader does. That is for
// guests of which little is touched from here; who reads all of one pays for more windows instead.
const WINDOW_SIZE = 2 ** 24

// A view has an ArrayBuffer of its own, so that whoever has it may transfer() that and disturbs nobody else. It holds whole
// pages of the largest size: what is aligned in the buffer is aligned in memory, as Atomics need it.
const VIEW_UNIT = 2 ** 16
const MAX_VIEW = 2 ** 32

/** A stretch of guest physical memory. Its accessors take guest physical addresses, as everything does. */
export class MemoryRegion extends MemoryAccessors implements Backed {
  /** Guest physical address of the first byte. */
  readonly at: number
  /** In bytes. */
  readonly size: number
  /** Whether a guest's write leaves the guest with an MMIO exit instead of changing the memory. */
  readonly readonly: boolean
  readonly #backing: RegionBacking
  readonly #offset: number
  readonly #windows: Window[] = []
  #removed = false
  #logDirtyPages: boolean

  /** @internal */
  constructor(description: RegionDescription) {
    super()
    this.at = description.at
    this.size = description.size
    this.readonly = description.readonly
    this.#logDirtyPages = description.logDirtyPages
    this.#backing = description.backing
    this.#offset = description.offset
  }

  /** Whether the kernel keeps track of which pages the guest writes. */
  get logDirtyPages(): boolean {
    return this.#logDirtyPages
  }

  /** @internal */
  logged(on: boolean): void {
    this.#logDirtyPages = on
  }

  /** Whether the region has been taken out of its VM. */
  get removed(): boolean {
    return this.#removed
  }

  /** @internal */
  remove(): void {
    this.#removed = true
    this.#windows.length = 0
  }

  /** @internal */
  get windowSize(): number {
    return this.#backing.windowSize ?? WINDOW_SIZE
  }

  /** @internal */
  window(offset: number): Window {
    const { windowSize } = this
    const index = Math.floor(offset / windowSize)
    const open = this.#windows[index]
    // Empty: its buffer has been taken away.
    if (open !== undefined && open.bytes.length > 0) return open
    return (this.#windows[index] = this.#open(index * windowSize, windowSize))
  }

  /** @internal */
  windowStart(offset: number): number {
    return offset - (offset % this.windowSize)
  }

  /** @internal */
  contiguous(offset: number, length: number): Uint8Array {
    const start = offset - (offset % VIEW_UNIT)
    const end = Math.min(Math.ceil((offset + length) / VIEW_UNIT) * VIEW_UNIT, this.size)
    if (end - start > MAX_VIEW) return new Uint8Array(this.buffer(offset, length))
    return new Uint8Array(this.buffer(start, end - start), offset - start, length)
  }

  /** @internal */
  buffer(offset: number, length: number, lasting?: boolean): ArrayBuffer {
    return this.#backing.buffer(this.#offset + offset, length, lasting)
  }

  protected override find(address: number): this | undefined {
    if (this.#removed) {
      throw new KvmError('ERR_KVM_CLOSED', `the memory region at ${hex(this.at)} has been removed from its VM`, {
        operands: { at: this.at, size: this.size },
      })
    }
    return address >= this.at && address < this.at + this.size ? this : undefined
  }

  protected override nearest(): this {
    return this
  }

  #open(start: number, length: number): Window {
    const buffer = this.buffer(start, Math.min(length, this.size - start))
    return { bytes: new Uint8Array(buffer), data: new DataView(buffer) }
  }
}
