import type { CpuidEntry } from './cpuid-entry.js'
import { LEAF_AMD_CACHE_PARAMETERS, LEAF_CACHE_PARAMETERS } from './cpuid-leaves.js'

/** A cache, as leaf 4 and AMD's leaf 0x8000001d describe it (Intel SDM vol. 2A, CPUID). */
export interface CpuCache {
  level: number
  type: 'data' | 'instruction' | 'unified'
  /** In bytes, and so is `lineSize`. */
  size: number
  lineSize: number
  partitions: number
  ways: number
  sets: number
  /** Threads that can share it, counted by their APIC ids. */
  sharedBy: number
  fullyAssociative: boolean
  inclusive: boolean
}

const TYPES = [undefined, 'data', 'instruction', 'unified'] as const

// EAX and EDX of a cache leaf.
export const CACHE_LEVEL_SHIFT = 5
export const CACHE_LEVEL_MASK = 7
export const CACHE_SHARING_SHIFT = 14
const TYPE_MASK = 0x1f
const SHARING_MASK = 0xfff
const FULLY_ASSOCIATIVE = 1 << 9
const INCLUSIVE = 1 << 1

export function decodeCaches(entries: Iterable<Readonly<CpuidEntry>>): CpuCache[] {
  const all = [...entries]
  for (const leaf of [LEAF_CACHE_PARAMETERS, LEAF_AMD_CACHE_PARAMETERS]) {
    const caches = all.filter((entry) => entry.function === leaf).flatMap(decodeCache)
    if (caches.length > 0) return caches
  }
  return []
}

function decodeCache({ eax, ebx, ecx, edx }: Readonly<CpuidEntry>): CpuCache[] {
  const type = TYPES[eax & TYPE_MASK]
  if (type === undefined) return []
  // Fields hold one less than what they mean.
  const lineSize = (ebx & 0xfff) + 1
  const partitions = ((ebx >>> 12) & 0x3ff) + 1
  const ways = (ebx >>> 22) + 1
  const sets = ecx + 1
  return [
    {
      level: (eax >>> CACHE_LEVEL_SHIFT) & CACHE_LEVEL_MASK,
      type,
      size: ways * partitions * lineSize * sets,
      ...{ lineSize, partitions, ways, sets },
      sharedBy: ((eax >>> CACHE_SHARING_SHIFT) & SHARING_MASK) + 1,
      fullyAssociative: (eax & FULLY_ASSOCIATIVE) !== 0,
      inclusive: (edx & INCLUSIVE) !== 0,
    },
  ]
}
