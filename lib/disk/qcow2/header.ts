import { diskError } from '../disk-error.js'

/** What the first bytes of a qcow2 image say (QEMU, docs/interop/qcow2.txt), checked. */
export interface Qcow2Header {
  /** The guest's, in bytes. */
  size: number
  clusterBits: number
  /** Of its table with the offsets of all L2 tables. */
  l1: { offset: number; entries: number }
  refcountTable: { offset: number; entries: number }
  /** How many bits a refcount has. */
  refcountBits: number
  backing?: { name: string; format?: string }
  /** Whether it can be zero clusters: version 3. */
  hasZeroFlag: boolean
  /** Why nobody may write to it as it is. */
  whyReadonly?: string
  /** Features that nobody who writes may leave set without knowing them. */
  autoclear: bigint
}

const MAGIC = 0x5146_49fb
const V2_SIZE = 72
const V3_SIZE = 104
/** Where things are in it. All is big-endian. */
const AT = {
  version: 4,
  backingOffset: 8,
  backingLength: 16,
  clusterBits: 20,
  size: 24,
  encryption: 32,
  l1Entries: 36,
  l1Offset: 40,
  refcountTable: 48,
  refcountTableClusters: 56,
  snapshots: 60,
  incompatible: 72,
  autoclear: 88,
  refcountOrder: 96,
  headerLength: 100,
} as const
export const AUTOCLEAR_OFFSET = AT.autoclear
const [MIN_CLUSTER_BITS, MAX_CLUSTER_BITS] = [9, 21]
const MAX_REFCOUNT_ORDER = 6
const V2_REFCOUNT_ORDER = 4
/** More than any image needs that is not made to hurt: they are kept in memory. */
const MAX_L1_BYTES = 2 ** 22
const MAX_REFCOUNT_TABLE_BYTES = 2 ** 23
const MAX_NAME = 1023
/** Incompatible features. */
const DIRTY = 1n
const CORRUPT = 2n
const FEATURES: readonly [bigint, string][] = [
  [4n, 'an external data file'],
  [8n, 'another compression than zlib'],
  [16n, 'extended L2 entries'],
]
/** What to do where refcounts have no room. */
export const LARGER_CLUSTERS =
  'make an image with larger clusters of it ("qemu-img convert -O qcow2 -o cluster_size=64K")'
const EXTENSION_END = 0
const EXTENSION_BACKING_FORMAT = 0xe279_2aca

/** How much of a file's beginning {@link readHeader} wants. A header may fill its cluster, which may be larger; nobody's needs as much. */
export const HEADER_BYTES = 2 ** 16

/** `bytes` are the file's first, and `fileSize` how many it has. */
export function readHeader(path: string, bytes: Uint8Array, fileSize: number): Qcow2Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const bad = (what: string) => diskError(path, `is no good qcow2 image: ${what}`, {})
  if (bytes.length < V2_SIZE || view.getUint32(0) !== MAGIC) throw bad('it does not begin as one')
  const version = view.getUint32(AT.version)
  if (version !== 2 && version !== 3) throw bad(`it has version ${version}, not 2 or 3`)
  if (version === 3 && bytes.length < V3_SIZE) throw bad('it ends in its header')
  const clusterBits = view.getUint32(AT.clusterBits)
  if (clusterBits < MIN_CLUSTER_BITS || clusterBits > MAX_CLUSTER_BITS) {
    throw bad(`its clusters have 2^${clusterBits} bytes, not 2^${MIN_CLUSTER_BITS} to 2^${MAX_CLUSTER_BITS}`)
  }
  const clusterSize = 2 ** clusterBits
  const big = (at: number, what: string) => {
    const value = view.getBigUint64(at)
    if (value > Number.MAX_SAFE_INTEGER) throw bad(`${what} is 2^53 or more`)
    return Number(value)
  }
  /** A table that lies in the file. */
  const table = (what: string, at: number, length: number, max: number) => {
    const offset = big(at, `the offset of its ${what}`)
    if (length > max) throw bad(`its ${what} has ${length} bytes, more than ${max}`)
    if (offset === 0 || offset % clusterSize !== 0) throw bad(`its ${what} is not at a cluster`)
    if (offset + length > fileSize) throw bad(`its ${what} ends behind the end of the file`)
    return offset
  }
  if (view.getUint32(AT.encryption) !== 0) throw bad('it is encrypted, which this library does not read')
  const incompatible = version === 3 ? view.getBigUint64(AT.incompatible) : 0n
  checkFeatures(incompatible, bad)
  const size = big(AT.size, 'its size')
  const l1Entries = view.getUint32(AT.l1Entries)
  if (l1Entries < Math.ceil(size / clusterSize / (clusterSize / 8))) throw bad('its L1 table is too short for its size')
  const refcountTableBytes = view.getUint32(AT.refcountTableClusters) * clusterSize
  const order = version === 3 ? view.getUint32(AT.refcountOrder) : V2_REFCOUNT_ORDER
  if (order > MAX_REFCOUNT_ORDER) throw bad(`its refcounts have 2^${order} bits, more than 64`)
  const headerLength = version === 3 ? view.getUint32(AT.headerLength) : V2_SIZE
  if (version === 3 && (headerLength < V3_SIZE || headerLength % 8 !== 0 || headerLength > clusterSize)) {
    throw bad(`its header has ${headerLength} bytes`)
  }
  const backing = readBacking(bytes, view, headerLength, clusterSize, bad)
  const whyReadonly =
    reasonAgainstWriting(incompatible, view.getUint32(AT.snapshots), order) ??
    reasonOfRoom(size, clusterSize, refcountTableBytes)
  return {
    ...{ size, clusterBits, refcountBits: 2 ** order, hasZeroFlag: version === 3 },
    // An image without any bytes has no table, either.
    l1: {
      offset: l1Entries === 0 ? 0 : table('L1 table', AT.l1Offset, l1Entries * 8, MAX_L1_BYTES),
      entries: l1Entries,
    },
    refcountTable: {
      offset: table('refcount table', AT.refcountTable, refcountTableBytes, MAX_REFCOUNT_TABLE_BYTES),
      entries: refcountTableBytes / 8,
    },
    autoclear: version === 3 ? view.getBigUint64(AT.autoclear) : 0n,
    ...(backing === undefined ? {} : { backing }),
    ...(whyReadonly === undefined ? {} : { whyReadonly }),
  }
}

function checkFeatures(incompatible: bigint, bad: (what: string) => Error): void {
  let unknown = incompatible & ~(DIRTY | CORRUPT)
  for (const [bit, name] of FEATURES) {
    if ((unknown & bit) !== 0n) throw bad(`it has ${name}, which this library does not read`)
    unknown &= ~bit
  }
  if (unknown !== 0n)
    throw bad(`it has incompatible features 0x${unknown.toString(16)}, which this library does not know`)
}

function reasonAgainstWriting(incompatible: bigint, snapshots: number, refcountOrder: number): string | undefined {
  if ((incompatible & CORRUPT) !== 0n) return 'it is marked as corrupt: see what "qemu-img check" says'
  if ((incompatible & DIRTY) !== 0n) return 'its refcounts are out of date: run "qemu-img check -r all" on it'
  if (snapshots > 0) return 'it has internal snapshots, which writing would change'
  if (refcountOrder !== V2_REFCOUNT_ORDER) return `its refcounts have ${2 ** refcountOrder} bits, and not 16`
  return undefined
}

/** QEMU makes a larger refcount table when it needs one; here none is made. */
function reasonOfRoom(size: number, clusterSize: number, refcountTableBytes: number): string | undefined {
  const clustersOf = (bytes: number) => Math.ceil(bytes / clusterSize)
  const data = clustersOf(size)
  const l2Tables = clustersOf(data * 8)
  const others = 1 + clustersOf(l2Tables * 8) + clustersOf(refcountTableBytes)
  // A block of refcounts of 16 bits counts itself, too.
  const blocks = Math.ceil((data + l2Tables + others) / (clusterSize / 2 - 1))
  if (blocks <= refcountTableBytes / 8) return undefined
  return `its refcount table has no room for all of its ${size} bytes: ${LARGER_CLUSTERS}`
}

function readBacking(
  bytes: Uint8Array,
  view: DataView,
  headerLength: number,
  clusterSize: number,
  bad: (what: string) => Error,
): Qcow2Header['backing'] {
  const offset = Number(view.getBigUint64(AT.backingOffset))
  if (offset === 0) return undefined
  const length = view.getUint32(AT.backingLength)
  if (
    length === 0 ||
    length > MAX_NAME ||
    offset < headerLength ||
    offset + length > Math.min(bytes.length, clusterSize)
  ) {
    throw bad('the name of its backing file is not in its header')
  }
  const decode = (from: number, count: number) => new TextDecoder().decode(bytes.subarray(from, from + count))
  const name = decode(offset, length)
  for (let at = headerLength; at + 8 <= offset;) {
    const [type, size] = [view.getUint32(at), view.getUint32(at + 4)]
    if (type === EXTENSION_END) break
    if (at + 8 + size > offset) throw bad('a part of its header ends behind it')
    if (type === EXTENSION_BACKING_FORMAT) return { name, format: decode(at + 8, size) }
    at += 8 + Math.ceil(size / 8) * 8
  }
  return { name }
}
