import * as L from '../../arch/x86/cpuid-leaves.js'
import type { CpuidEntry } from '../../kvm/cpuid.js'
import { brandString } from './brand-string.js'

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
    if (entry.function === L.LEAF_TOPOLOGY || entry.function === L.LEAF_TOPOLOGY_V2) continue
    entries.push(adapt({ ...entry }, place))
  }
  if (supported.some((entry) => entry.function === 0 && entry.eax >= L.LEAF_TOPOLOGY)) {
    entries.push(...topologyLeaves(place))
  }
  return entries
}

function adapt(entry: CpuidEntry, { id, count, tscDeadline }: CpuPlace): CpuidEntry {
  if (entry.function >= L.LEAF_BRAND && entry.function < L.LEAF_BRAND_END) return nameProcessor(entry)
  switch (entry.function) {
    case L.LEAF_FEATURES:
      entry.ebx = unsigned((entry.ebx & 0xffff) | (count << L.EBX_LOGICAL_COUNT_SHIFT) | (id << L.EBX_APIC_ID_SHIFT))
      entry.ecx = unsigned(
        (entry.ecx & ~L.ECX_TSC_DEADLINE) | L.ECX_HYPERVISOR | (tscDeadline ? L.ECX_TSC_DEADLINE : 0),
      )
      entry.edx = unsigned(count > 1 ? entry.edx | L.EDX_HTT : entry.edx & ~L.EDX_HTT)
      break
    case L.LEAF_CACHE_PARAMETERS: {
      // Bits 31-26: cores of the package less one. Bits 25-14: threads that share this cache less one; the last level
      // is everybody's, the others are each core's own.
      const level = (entry.eax >> 5) & 7
      const sharing = level >= 3 ? count - 1 : 0
      entry.eax = unsigned((entry.eax & 0x3fff) | (sharing << 14) | ((count - 1) << 26))
      break
    }
    case L.LEAF_PERFORMANCE_MONITORING:
      // No virtual PMU: its counters would be the host's.
      entry.eax = entry.ebx = entry.ecx = entry.edx = 0
      break
    case L.LEAF_AMD_SIZES:
      // Bits 7-0: cores less one. Bits 15-12: bits of the APIC id that number them.
      entry.ecx = unsigned((count - 1) | (idBits(count) << 12))
      break
    case L.LEAF_AMD_CACHE_PARAMETERS: {
      const level = (entry.eax >> 5) & 7
      entry.eax = unsigned((entry.eax & 0x3fff) | ((level >= 3 ? count - 1 : 0) << 14))
      break
    }
    case L.LEAF_AMD_TOPOLOGY:
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
  const at = (entry.function - L.LEAF_BRAND) * 16
  const word = (index: number) => brandString().readUInt32LE(at + 4 * index)
  return { ...entry, eax: word(0), ebx: word(1), ecx: word(2), edx: word(3) }
}

/** Leaf 0xb: a thread is a core, and the package has `count` of them. */
function topologyLeaves({ id, count }: CpuPlace): CpuidEntry[] {
  const level = (index: number, type: number, bits: number, threads: number): CpuidEntry => ({
    function: L.LEAF_TOPOLOGY,
    index,
    flags: L.FLAG_SIGNIFICANT_INDEX,
    eax: bits,
    ebx: threads,
    ecx: index | (type << 8),
    edx: id,
  })
  return [level(0, L.LEVEL_SMT, 0, 1), level(1, L.LEVEL_CORE, idBits(count), count), level(2, 0, 0, 0)]
}
