import type { DeviceMemory, MemoryRange } from './device-memory.js'

/** A region as DMA needs it. */
export interface DmaRegion extends MemoryRange {
  /** How large the parts are through which it wants to be seen, in bytes. */
  readonly windowSize: number
  /** An ArrayBuffer of its own over that part of the region's memory. One that lasts is there as long as somebody has it. */
  buffer(offset: number, length: number, lasting: boolean): ArrayBuffer
}

/** Where regions are looked up. */
export interface DmaRegions {
  /** Lowest address first. */
  readonly regions: readonly DmaRegion[]
  find(address: number): DmaRegion | undefined
  /** As in {@link DeviceMemory}. */
  watch?(changed: () => void): () => void
}

/** Told of each stretch that is about to be written. */
export type WriteTracker = (address: number, length: number) => unknown

/** One ArrayBuffer over a part of a region, in the widths that devices need. */
class DmaWindow {
  readonly bytes: Uint8Array
  readonly halves: Uint16Array
  readonly words: Uint32Array

  constructor(buffer: ArrayBuffer) {
    this.bytes = new Uint8Array(buffer)
    this.halves = new Uint16Array(buffer, 0, buffer.byteLength >>> 1)
    this.words = new Uint32Array(buffer, 0, buffer.byteLength >>> 2)
  }
}

/** The windows of a region, each made when it is needed. */
interface Windows {
  /** Of one, in bytes. */
  size: number
  opened: (DmaWindow | undefined)[]
}

type Aligned = 'halves' | 'words'

/** {@link DeviceMemory} over regions. */
export class DmaMemory implements DeviceMemory {
  readonly #home: DmaRegions
  // Of its own: a device may transfer() the buffer of a slice, which then disturbs nobody but devices, and them only until the
  // window is opened again.
  readonly #windows = new WeakMap<DmaRegion, Windows>()
  readonly #trackers = new Set<WriteTracker>()
  readonly #unseen = new Set<symbol>()

  constructor(home: DmaRegions) {
    this.#home = home
  }

  get regions(): readonly MemoryRange[] {
    return this.#home.regions
  }

  watch(changed: () => void): () => void {
    return this.#home.watch?.(changed) ?? (() => undefined)
  }

  /** From now on `track` hears of every write through this object, until the function that is returned has been called. */
  trackWrites(track: WriteTracker): () => void {
    this.#trackers.add(track)
    return () => void this.#trackers.delete(track)
  }

  writtenUnseen(): () => void {
    const writer = Symbol('writer')
    this.#unseen.add(writer)
    return () => void this.#unseen.delete(writer)
  }

  /** Whether there is somebody whose writes no tracker hears. */
  get isWrittenUnseen(): boolean {
    return this.#unseen.size > 0
  }

  read(address: number, length: number): Uint8Array | undefined {
    const pieces = this.slices(address, length, 'read')
    if (pieces === undefined) return undefined
    const copy = new Uint8Array(length)
    let done = 0
    for (const piece of pieces) {
      copy.set(piece, done)
      done += piece.length
    }
    return copy
  }

  write(address: number, bytes: Uint8Array): boolean {
    const pieces = this.slices(address, bytes.length, 'write')
    let done = 0
    for (const piece of pieces ?? []) {
      piece.set(bytes.subarray(done, done + piece.length))
      done += piece.length
    }
    return pieces !== undefined
  }

  fill(address: number, length: number, value: number): boolean {
    const pieces = this.slices(address, length, 'write')
    for (const piece of pieces ?? []) piece.fill(value)
    return pieces !== undefined
  }

  slices(address: number, length: number, access: 'read' | 'write'): Uint8Array[] | undefined {
    if (!this.#covers(address, length, access)) return undefined
    if (access === 'write') this.#track(address, length)
    const pieces: Uint8Array[] = []
    for (let done = 0; done < length;) {
      const region = this.#home.find(address + done)
      if (region === undefined) return undefined
      const offset = address + done - region.at
      const { bytes } = this.#window(region, offset)
      const start = offset % region.windowSize
      const piece = bytes.subarray(start, start + length - done)
      pieces.push(piece)
      done += piece.length
    }
    return pieces
  }

  loadUint16(address: number): number | undefined {
    return this.#load(address, 2, 'halves')
  }
  loadUint32(address: number): number | undefined {
    return this.#load(address, 4, 'words')
  }
  storeUint16(address: number, value: number): boolean {
    return this.#store(address, 2, 'halves', value)
  }
  storeUint32(address: number, value: number): boolean {
    return this.#store(address, 4, 'words', value)
  }

  #load(address: number, width: number, as: Aligned): number | undefined {
    const region = this.#aligned(address, width)
    if (region === undefined) return undefined
    const offset = address - region.at
    return Atomics.load(this.#window(region, offset)[as], (offset % region.windowSize) / width)
  }

  #store(address: number, width: number, as: Aligned, value: number): boolean {
    const region = this.#aligned(address, width)
    if (region === undefined || region.readonly) return false
    if (this.#trackers.size > 0) this.#track(address, width)
    const offset = address - region.at
    Atomics.store(this.#window(region, offset)[as], (offset % region.windowSize) / width, value)
    return true
  }

  /** The region that has all of an aligned value; regions begin at page boundaries. */
  #aligned(address: number, width: number): DmaRegion | undefined {
    const region = address % width === 0 ? this.#home.find(address) : undefined
    return region !== undefined && address - region.at + width <= region.size ? region : undefined
  }

  /** Whether there is memory for all of it, before any of it is touched. The length is the guest's, too: NaN compares to false. */
  #covers(address: number, length: number, access: 'read' | 'write'): boolean {
    if (!(length >= 0)) return false
    for (let done = 0; done < length;) {
      const region = this.#home.find(address + done)
      if (region === undefined || (access === 'write' && region.readonly)) return false
      done = region.at + region.size - address
    }
    return true
  }

  #track(address: number, length: number): void {
    if (length === 0) return
    for (const track of this.#trackers) track(address, length)
  }

  #window(region: DmaRegion, offset: number): DmaWindow {
    const size = region.windowSize
    let windows = this.#windows.get(region)
    if (windows?.size !== size) this.#windows.set(region, (windows = { size, opened: [] }))
    const index = Math.floor(offset / size)
    const open = windows.opened[index]
    // Empty: its buffer has been taken away.
    if (open !== undefined && open.bytes.length > 0) return open
    const start = index * size
    // It lasts: when the machine is closed, the kernel may still be reading a file into it.
    return (windows.opened[index] = new DmaWindow(region.buffer(start, Math.min(size, region.size - start), true)))
  }
}
