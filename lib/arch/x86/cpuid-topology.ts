import { checkInteger, checkOptions, invalidArgument } from '../../validate.js'
import { CACHE_LEVEL_MASK, CACHE_LEVEL_SHIFT, CACHE_SHARING_SHIFT } from './cpuid-caches.js'
import type { CpuidEntry } from './cpuid-entry.js'
import { featureBits } from './cpuid-features.js'
import * as L from './cpuid-leaves.js'

/** How many processors a machine has, and which of them a vCPU is. */
export interface CpuTopology {
  /** The vCPU's local APIC id: from its lowest bits up the thread's number, the core's, the socket's, each in as many bits as its count needs. */
  apicId: number
  /** Default: 1. */
  sockets?: number
  /** Cores of a socket. Default: 1. */
  cores?: number
  /** Threads of a core. Default: 1. */
  threads?: number
}

/** A checked topology, and what follows from it. */
interface Place {
  apicId: number
  socket: number
  core: number
  cores: number
  threads: number
  /** Low bits of an APIC id that number the thread in its core, and the thread in its socket. */
  threadBits: number
  socketBits: number
}

const MAX_COUNT = 2 ** 16

function idBits(count: number): number {
  return Math.ceil(Math.log2(count))
}

function checkPlace(topology: CpuTopology): Place {
  const given = checkOptions('topology', topology, ['apicId', 'sockets', 'cores', 'threads'])
  const count = (name: string) => checkInteger(`topology.${name}`, given[name] ?? 1, 1, MAX_COUNT)
  const [sockets, cores, threads] = [count('sockets'), count('cores'), count('threads')]
  const threadBits = idBits(threads)
  const socketBits = threadBits + idBits(cores)
  const apicId = checkInteger('topology.apicId', given['apicId'], 0, 0xffff_ffff)
  const socket = Math.floor(apicId / 2 ** socketBits)
  const core = Math.floor(apicId / 2 ** threadBits) % 2 ** (socketBits - threadBits)
  if (socket >= sockets || core >= cores || apicId % 2 ** threadBits >= threads) {
    const size = `${sockets} sockets of ${cores} cores of ${threads} threads`
    throw invalidArgument('topology.apicId', apicId, `the id of a thread in ${size}`)
  }
  return { apicId, socket, core, cores, threads, threadBits, socketBits }
}

/** The entries as a vCPU at that place is to have them. */
export function placeInTopology(
  entries: Iterable<Readonly<CpuidEntry>>,
  topology: CpuTopology,
): Readonly<CpuidEntry>[] {
  const place = checkPlace(topology)
  const placed: Readonly<CpuidEntry>[] = []
  let lastLeaf = 0
  for (const entry of entries) {
    if (entry.function === L.LEAF_VENDOR) lastLeaf = entry.eax
    if (!MADE_ANEW.has(entry.function)) placed.push(adapt(entry, place))
  }
  for (const leaf of [L.LEAF_TOPOLOGY, L.LEAF_TOPOLOGY_V2]) if (lastLeaf >= leaf) placed.push(...levels(leaf, place))
  return placed
}

const MADE_ANEW = new Set([L.LEAF_TOPOLOGY, L.LEAF_TOPOLOGY_V2, L.LEAF_AMD_TOPOLOGY_V2])

/** What a leaf says of the place; the other bits keep their values. */
function adapt(entry: Readonly<CpuidEntry>, place: Place): Readonly<CpuidEntry> {
  const { apicId, socket, core, cores, threads, threadBits, socketBits } = place
  /** Of a socket, with the ids that no thread has because a core's count is no power of two. */
  const ids = cores * 2 ** threadBits
  switch (entry.function) {
    case L.LEAF_FEATURES: {
      const htt = 1 << (featureBits().get('ht')?.bit ?? 0)
      return changed(entry, {
        ebx:
          (entry.ebx & 0xffff) | (Math.min(ids, 0xff) << L.EBX_LOGICAL_COUNT_SHIFT) | (apicId << L.EBX_APIC_ID_SHIFT),
        edx: ids > 1 ? entry.edx | htt : entry.edx & ~htt,
      })
    }
    // Bits 31-26: cores of a socket less one.
    case L.LEAF_CACHE_PARAMETERS:
      return changed(entry, { eax: sharing(entry.eax, ids, 2 ** threadBits) | (Math.min(cores - 1, 0x3f) << 26) })
    case L.LEAF_AMD_CACHE_PARAMETERS:
      return changed(entry, { eax: sharing(entry.eax, cores * threads, threads) })
    case L.LEAF_AMD_SIZES:
      // Bits 7-0: threads of a socket less one. Bits 15-12: bits of the APIC id that number them.
      return changed(entry, { ecx: Math.min(cores * threads - 1, 0xff) | (socketBits << 12) })
    case L.LEAF_AMD_TOPOLOGY:
      // The APIC id; the core, and its threads less one; the node, of which a socket is one.
      return changed(entry, { eax: apicId, ebx: (core & 0xff) | ((threads - 1) << 8), ecx: socket & 0xff })
    default:
      return entry
  }
}

function changed(entry: Readonly<CpuidEntry>, registers: Partial<CpuidEntry>): Readonly<CpuidEntry> {
  const unsigned = Object.entries(registers).map(([name, value]) => [name, value >>> 0])
  return Object.freeze({ ...entry, ...(Object.fromEntries(unsigned) as Partial<CpuidEntry>) })
}

/** EAX of a cache, bits 25-14: threads that share it less one. The last level is the socket's, the others are each core's own. */
function sharing(eax: number, ofSocket: number, ofCore: number): number {
  const level = (eax >>> CACHE_LEVEL_SHIFT) & CACHE_LEVEL_MASK
  const threads = level >= 3 ? ofSocket : ofCore
  return (eax & 0x3fff) | (Math.min(threads - 1, 0xfff) << CACHE_SHARING_SHIFT)
}

/** Leaves 0xb and 0x1f: how many threads a core and a socket have, and which bits of an APIC id number them. */
function levels(leaf: number, { apicId, cores, threads, threadBits, socketBits }: Place): Readonly<CpuidEntry>[] {
  const level = (index: number, type: number, bits: number, count: number) =>
    Object.freeze({
      function: leaf,
      index,
      flags: L.FLAG_SIGNIFICANT_INDEX,
      eax: bits,
      ebx: count & 0xffff,
      ecx: index | (type << 8),
      edx: apicId,
    })
  return [
    level(0, L.LEVEL_SMT, threadBits, threads),
    level(1, L.LEVEL_CORE, socketBits, cores * threads),
    level(2, 0, 0, 0),
  ]
}
