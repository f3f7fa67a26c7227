import type { EntryState } from '../arch/x86/registers.js'
import { hex } from '../format.js'
import { FOUR_GIB, PAGE } from './addresses.js'
import { imageError, type ImageFault } from '../image/image-error.js'
import { e820Map, type E820Entry } from '../arch/x86/memory-layout.js'
import type { LoadMemory } from '../memory/placed.js'
import { place, type Placed } from '../memory/placed.js'
import type { BootResult } from './types.js'

interface Part extends Placed {
  content: Uint8Array
  /** Whether what follows the content, up to `size`, must be zero. */
  zeroed: boolean
}

export interface PutOptions {
  name: string
  start: number
  content: Uint8Array
  /** How much memory it needs; default: as much as `content` has. */
  size?: number
  /** Zeroes what follows the content. Otherwise that part only stays free of everything else. */
  zeroed?: boolean
  /** Where the image says so, for messages. */
  fault: ImageFault
}

export interface RoomOptions {
  size: number
  align: number
  /** The lowest legal start. */
  from?: number
  /** The lowest address that may not be used. */
  below: number
}

/**
 * What a loader will write. Everything is checked first: each part lies in RAM as the guest will see it, none overlaps
 * another. Guest memory changes only in `commit()`, which nothing in an image can make fail.
 */
export class BootPlan {
  readonly #memory: LoadMemory
  readonly #parts: Part[] = []
  readonly e820: readonly E820Entry[]

  constructor(memory: LoadMemory, e820?: readonly E820Entry[]) {
    this.#memory = memory
    this.e820 = e820 ?? e820Map(memory.regions.filter(({ readonly }) => !readonly))
  }

  put({ name, start, content, size = content.length, zeroed = false, fault }: PutOptions): void {
    const end = start + size
    const range = `${hex(start)} to ${hex(end)}`
    if (!Number.isSafeInteger(end) || size < content.length) {
      throw imageError(fault, `${name} of ${hex(size)} bytes at ${hex(start)} is no range`, { start, size })
    }
    if (size > 0 && !this.#ram.some((ram) => start >= ram.start && end <= ram.start + ram.size)) {
      throw imageError(fault, `${name}, ${range}, does not lie in RAM, which is ${this.#describeRam()}`, {
        start,
        size,
      })
    }
    const other = this.#overlapping(start, end)
    if (other !== undefined) {
      const taken = `${hex(other.start)} to ${hex(other.start + other.size)}`
      throw imageError(fault, `${name}, ${range}, overlaps ${other.name}, ${taken}`, { start, size, other: other.name })
    }
    if (size > 0) this.#parts.push({ name, start, size, content, zeroed })
  }

  /**
   * Puts what may lie anywhere below 4 GiB, at `from` where that is free: loaders put the kernel first, and then their own
   * structures where it is not. Returns the address.
   */
  place({ from, align, ...part }: Omit<PutOptions, 'start'> & { from: number; align: number }): number {
    const size = part.size ?? part.content.length
    const room = { size, align, below: FOUR_GIB }
    const start = this.findLowest({ ...room, from }) ?? this.findLowest({ ...room, from: PAGE })
    if (start === undefined) {
      throw imageError(part.fault, `the RAM below 4 GiB has no ${hex(size)} free bytes for ${part.name}`, { size })
    }
    this.put({ ...part, start })
    return start
  }

  /** The highest free start for a block, or undefined. */
  findHighest({ size, align, from = 0, below }: RoomOptions): number | undefined {
    for (const ram of this.#ram.toReversed()) {
      let end = Math.min(below, ram.start + ram.size)
      for (;;) {
        const start = Math.floor((end - size) / align) * align
        if (start < Math.max(from, ram.start)) break
        const other = this.#overlapping(start, start + size)
        if (other === undefined) return start
        end = other.start
      }
    }
    return undefined
  }

  /** The lowest free start for a block, or undefined. */
  findLowest({ size, align, from = 0, below }: RoomOptions): number | undefined {
    for (const ram of this.#ram) {
      let next = Math.max(from, ram.start)
      for (;;) {
        const start = Math.ceil(next / align) * align
        if (start + size > Math.min(below, ram.start + ram.size)) break
        const other = this.#overlapping(start, start + size)
        if (other === undefined) return start
        next = other.start + other.size
      }
    }
    return undefined
  }

  commit(entry: EntryState): BootResult {
    for (const { name, start, size, content, zeroed } of this.#parts) {
      place(this.#memory, name, start, content, zeroed ? size : content.length)
    }
    const placed = this.#parts.map(({ name, start, size }) => ({ name, start, size }))
    return { entry, placed: placed.sort((a, b) => a.start - b.start) }
  }

  get #ram(): E820Entry[] {
    return this.e820.filter(({ type }) => type === 'ram')
  }

  #describeRam(): string {
    const ranges = this.#ram.map(({ start, size }) => `${hex(start)} to ${hex(start + size)}`)
    return ranges.length === 0 ? 'nowhere' : ranges.join(', ')
  }

  #overlapping(start: number, end: number): Part | undefined {
    return this.#parts.find((part) => start < part.start + part.size && part.start < end)
  }
}
