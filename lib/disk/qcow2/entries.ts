// The entries of L1 and L2 tables (QEMU, docs/interop/qcow2.txt, "Cluster mapping").

const OFFSET = 0x00ff_ffff_ffff_fe00n
const COPIED = 1n << 63n
const COMPRESSED = 1n << 62n
const ZERO = 1n
const SECTOR_BITS = 9n

/** Where a cluster of the guest is. */
export type Cluster =
  | { kind: 'unallocated' }
  /** Reads as zeros. With an offset, room has been kept for it. */
  | { kind: 'zero' }
  | { kind: 'data'; offset: number; mayBeWritten: boolean }
  | { kind: 'compressed'; offset: number; length: number }
  /** No entry is like that. */
  | { kind: 'malformed' }

export function readEntry(entry: bigint, clusterBits: number, hasZeroFlag: boolean): Cluster {
  if ((entry & COMPRESSED) !== 0n) return readCompressed(entry, clusterBits)
  if (hasZeroFlag && (entry & ZERO) !== 0n) return { kind: 'zero' }
  const offset = entry & OFFSET
  if (offset === 0n) return { kind: 'unallocated' }
  if (offset % (1n << BigInt(clusterBits)) !== 0n) return { kind: 'malformed' }
  return { kind: 'data', offset: Number(offset), mayBeWritten: (entry & COPIED) !== 0n }
}

function readCompressed(entry: bigint, clusterBits: number): Cluster {
  const offsetBits = 62n - (BigInt(clusterBits) - 8n)
  const offset = entry & ((1n << offsetBits) - 1n)
  const more = (entry & (COMPRESSED - 1n)) >> offsetBits
  const end = ((offset >> SECTOR_BITS) + more + 1n) << SECTOR_BITS
  return { kind: 'compressed', offset: Number(offset), length: Number(end - offset) }
}

/** Of a table, or of a cluster, that nothing else refers to. */
export function makeEntry(offset: number): bigint {
  return BigInt(offset) | COPIED
}

/** Where an L2 table is, by its L1 entry; 0 where there is none. */
export function l2Offset(entry: bigint): number {
  return Number(entry & OFFSET)
}

/** Room that has been kept for a cluster of zeros. */
export function keptOffset(entry: bigint): number {
  return (entry & COMPRESSED) === 0n && (entry & ZERO) !== 0n ? Number(entry & OFFSET) : 0
}
