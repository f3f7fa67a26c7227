/** The architectures of Linux that have KVM. */
export type KvmArchitecture = 'x86' | 'arm64' | 'loongarch' | 'mips' | 'ppc' | 'riscv' | 's390'

/**
 * What the answer of KVM_CHECK_EXTENSION is: `flag`, 0 or 1; `count`, a number of something, which `about` names; `mask`, a bit for
 * each ability.
 */
export type CapabilityKind = 'flag' | 'count' | 'mask'

/** What a capability is. */
export interface CapabilityInfo {
  kind: CapabilityKind
  /** What a host has that has it. */
  about: string
  /** The architectures that can have it; undefined where any can. */
  architectures?: readonly KvmArchitecture[]
  /** Of a mask: the kernel's names of its bits, as far as they have one, with their numbers. */
  bits?: Readonly<Record<string, number>>
}

export const flag = (about: string): CapabilityInfo => ({ kind: 'flag', about })
export const count = (about: string): CapabilityInfo => ({ kind: 'count', about })
export const mask = (about: string, bits: Readonly<Record<string, number>> = {}): CapabilityInfo => ({
  kind: 'mask',
  about,
  bits,
})

/** The same rows, for these architectures. */
export function only<Name extends string>(
  architectures: readonly KvmArchitecture[],
  rows: Record<Name, CapabilityInfo>,
): Record<Name, CapabilityInfo> {
  const entries = Object.entries<CapabilityInfo>(rows).map(([name, row]) => [name, { ...row, architectures }])
  return Object.fromEntries(entries) as Record<Name, CapabilityInfo>
}
