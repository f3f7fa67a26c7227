import type { HostMemory } from '../kvm/host-memory.js'
import type { RegionMemory } from '../kvm/memory-slots.js'

/** What a stretch of memory is to a machine: its RAM, what its boot source has mapped read-only, or `memoryMap.regions`. */
export const REGION_KINDS = ['ram', 'rom', 'beside'] as const

/** A stretch of guest physical memory that is saved with a machine. */
export interface SavedRegion {
  kind: (typeof REGION_KINDS)[number]
  /** Guest physical address of the first byte. */
  at: number
  /** In bytes. */
  size: number
}

/** How much is looked at through one ArrayBuffer; more makes V8 collect garbage. */
const WINDOW = 2 ** 24
export const PAGE = 4096
const ZEROS = Buffer.alloc(PAGE)

/** Calls `each` with what is in a part of memory, piece by piece, in order. */
function eachPiece(
  { memory, offset }: RegionMemory,
  size: number,
  each: (piece: Uint8Array, at: number) => void,
): void {
  for (let at = 0; at < size; at += WINDOW) {
    each(new Uint8Array(memory.buffer(offset + at, Math.min(WINDOW, size - at))), at)
  }
}

/** Copies what is in a part of one memory to a part of another. */
export function copyMemory(from: RegionMemory, to: RegionMemory, size: number): void {
  eachPiece(from, size, (source, at) => {
    new Uint8Array(to.memory.buffer(to.offset + at, source.length)).set(source)
  })
}

/** The same to memory that is new: where there are zeros, the host need not have pages. To look at them would make it have them. */
export function copyToNew(from: RegionMemory, to: HostMemory, size: number): void {
  eachPiece(from, size, (source, at) => {
    const target = new Uint8Array(to.buffer(at, source.length))
    for (let offset = 0; offset < source.length; offset += PAGE) {
      const page = source.subarray(offset, offset + PAGE)
      if (!isZero(page)) target.set(page, offset)
    }
  })
}

/** The same for the pages that have a bit in `pages`. */
export function copyPages(from: RegionMemory, to: RegionMemory, pages: Uint8Array, size: number): void {
  eachPiece(from, size, (source, at) => {
    const target = new Uint8Array(to.memory.buffer(to.offset + at, source.length))
    for (let offset = 0; offset < source.length; offset += PAGE) {
      const page = (at + offset) / PAGE
      if (((pages[page >> 3] ?? 0) & (1 << (page & 7))) === 0) continue
      target.set(source.subarray(offset, offset + PAGE), offset)
    }
  })
}

const isZero = (page: Uint8Array): boolean => ZEROS.equals(page)
