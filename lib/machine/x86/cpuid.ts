import type { CpuidEntry } from '../../kvm/cpuid.js'
import { brandString } from './brand-string.js'

// Leaves (Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E).
const LEAF_FEATURES = 0x1
const LEAF_CACHE_PARAMETERS = 0x4
const LEAF_PERFORMANCE_MONITORING = 0xa
const LEAF_TOPOLOGY = 0xb
const LEAF_TOPOLOGY_V2 = 0x1f
const LEAF_BRAND = 0x8000_0002
const LEAF_BRAND_END = 0x8000_0005
const LEAF_AMD_SIZES = 0x8000_0008
const LEAF_AMD_CACHE_PARAMETERS = 0x8000_001d
const LEAF_AMD_TOPOLOGY = 0x8000_001e

// Leaf 1.
const EBX_APIC_ID_SHIFT = 24
const EBX_LOGICAL_COUNT_SHIFT = 16
const EDX_HTT = 1 << 28
const ECX_TSC_DEADLINE = 1 << 24
const ECX_HYPERVISOR = 2 ** 31

// Leaf 0xb.
const LEVEL_SMT = 1
const LEVEL_CORE = 2
const FLAG_SIGNIFICANT_INDEX = 1

/** What a vCPU is to be told of its place among the others: one package of `count` cores, one thread each. */
export interface CpuPlace {
  /** Its local APIC id. */
  id: number
  /** vCPUs of the machine. */
  count: number
  /** Whether the in-kernel local APIC has a TSC deadline timer (KVM_CAP_TSC_DEADLINE_TIMER). */
  tscDeadline: boolean
}

/** How many low bits of an APIC id number `count` things. */
function idBits(count: number): number {
  return Math.ceil(Math.log2(count))
}

const unsigned = (value: number) => value >>> 0

/** The CPUID of one vCPU, from what the host supports: the same processor, in a machine of its own. */
export function vcpuCpuid(supported: readonly CpuidEntry[], place: CpuPlace): CpuidEntry[] {
  const entries: CpuidEntry[] = []
  for (const entry of supported) {
    if (entry.function === LEAF_TOPOLOGY || entry.function === LEAF_TOPOLOGY_V2) continue
    entries.push(adapt({ ...entry }, place))
  }
  if (supported.some((entry) => entry.function === 0 && entry.eax >= LEAF_TOPOLOGY)) {
    entries.push(...topologyLeaves(place))
  }
  return entries
}

function adapt(entry: CpuidEntry, { id, count, tscDeadline }: CpuPlace): CpuidEntry {
  if (entry.function >= LEAF_BRAND && entry.function < LEAF_BRAND_END) return nameProcessor(entry)
  switch (entry.function) {
    case LEAF_FEATURES:
      entry.ebx = unsigned((entry.ebx & 0xffff) | (count << EBX_LOGICAL_COUNT_SHIFT) | (id << EBX_APIC_ID_SHIFT))
      entry.ecx = unsigned((entry.ecx & ~ECX_TSC_DEADLINE) | ECX_HYPERVISOR | (tscDeadline ? ECX_TSC_DEADLINE : 0))
      entry.edx = unsigned(count > 1 ? entry.edx | EDX_HTT : entry.edx & ~EDX_HTT)
      break
    case LEAF_CACHE_PARAMETERS: {
      // Bits 31-26: cores of the package less one. Bits 25-14: threads that share this cache less one; the last level
      // is everybody's, the others are each core's own.
      const level = (entry.eax >> 5) & 7
      const sharing = level >= 3 ? count - 1 : 0
      entry.eax = unsigned((entry.eax & 0x3fff) | (sharing << 14) | ((count - 1) << 26))
      break
    }
    case LEAF_PERFORMANCE_MONITORING:
      // No virtual PMU: its counters would be the host's.
      entry.eax = entry.ebx = entry.ecx = entry.edx = 0
      break
    case LEAF_AMD_SIZES:
      // Bits 7-0: cores less one. Bits 15-12: bits of the APIC id that number them.
      entry.ecx = unsigned((count - 1) | (idBits(count) << 12))
      break
    case LEAF_AMD_CACHE_PARAMETERS: {
      const level = (entry.eax >> 5) & 7
      entry.eax = unsigned((entry.eax & 0x3fff) | ((level >= 3 ? count - 1 : 0) << 14))
      break
    }
    case LEAF_AMD_TOPOLOGY:
      // Extended APIC id; a compute unit with one thread; node 0 of one.
      entry.eax = id
      entry.ebx = id
      entry.ecx = 0
      break
  }
  return entry
}

/** KVM leaves these empty: 16 characters of the processor's name each. */
function nameProcessor(entry: CpuidEntry): CpuidEntry {
  if ((entry.eax | entry.ebx | entry.ecx | entry.edx) !== 0) return entry
  const at = (entry.function - LEAF_BRAND) * 16
  const word = (index: number) => brandString().readUInt32LE(at + 4 * index)
  return { ...entry, eax: word(0), ebx: word(1), ecx: word(2), edx: word(3) }
}

/** Leaf 0xb: a thread is a core, and the package has `count` of them. */
function topologyLeaves({ id, count }: CpuPlace): CpuidEntry[] {
  const level = (index: number, type: number, bits: number, threads: number): CpuidEntry => ({
    function: LEAF_TOPOLOGY,
    index,
    flags: FLAG_SIGNIFICANT_INDEX,
    eax: bits,
    ebx: threads,
    ecx: index | (type << 8),
    edx: id,
  })
  return [level(0, LEVEL_SMT, 0, 1), level(1, LEVEL_CORE, idBits(count), count), level(2, 0, 0, 0)]
}
