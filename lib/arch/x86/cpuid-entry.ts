import { checkInteger, checkOptions } from '../../validate.js'
import { FLAG_SIGNIFICANT_INDEX } from './cpuid-leaves.js'

/** What the CPUID instruction answers: four words of 32 bits without a sign. */
export interface CpuidRegisters {
  eax: number
  ebx: number
  ecx: number
  edx: number
}

/** One CPUID leaf, struct kvm_cpuid_entry2 (KVM API, KVM_GET_SUPPORTED_CPUID). x86_64. */
export interface CpuidEntry extends CpuidRegisters {
  /** The leaf: EAX on entry. */
  function: number
  /** The subleaf: ECX on entry, where `flags` has bit 0 (KVM_CPUID_FLAG_SIGNIFCANT_INDEX). */
  index: number
  flags: number
}

export const CPUID_REGISTERS = ['eax', 'ebx', 'ecx', 'edx'] as const
export type CpuidRegister = keyof CpuidRegisters

const MAX_UINT32 = 0xffff_ffff
const MEMBERS = ['function', 'index', 'flags', ...CPUID_REGISTERS] as const

export const checkUint32 = (name: string, value: unknown) => checkInteger(name, value, 0, MAX_UINT32)

/** A copy of an entry that somebody hands us, which nobody can change. */
export function checkEntry(name: string, entry: CpuidEntry): Readonly<CpuidEntry> {
  const given = checkOptions(name, entry, MEMBERS)
  const [fn, index, flags, eax, ebx, ecx, edx] = MEMBERS.map((key) => checkUint32(`${name}.${key}`, given[key]))
  return Object.freeze({ function: fn, index, flags, eax, ebx, ecx, edx } as CpuidEntry)
}

// Leaves whose answer depends on the subleaf (Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E).
const INDEXED = new Set([
  ...[0x4, 0x7, 0xb, 0xd, 0xf, 0x10, 0x12, 0x14, 0x17, 0x18, 0x1a, 0x1b, 0x1d, 0x1e, 0x1f, 0x20, 0x24],
  ...[0x8000_001d, 0x8000_0020, 0x8000_0026],
])

/** The flags of a new entry. */
export function entryFlags(leaf: number, index: number): number {
  return index > 0 || INDEXED.has(leaf) ? FLAG_SIGNIFICANT_INDEX : 0
}
