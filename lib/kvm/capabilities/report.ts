import type { CapabilityName } from '../capabilities.js'
import type { CapabilityInfo } from './info.js'
import { CAPABILITY_INFO } from './table.js'

/** A capability, and what this host answers. */
export interface CapabilityReport extends CapabilityInfo {
  name: CapabilityName
  /** What `kvm.check(name)` returns. */
  value: number
  /** Of a mask: the bits that are set, by the kernel's names; `bit 7` for one without. */
  set?: string[]
}

/** What each of these answers of KVM_CHECK_EXTENSION means. */
export function reportCapabilities(values: ReadonlyMap<CapabilityName, number>): CapabilityReport[] {
  return Array.from(values, ([name, value]) => {
    const info = CAPABILITY_INFO[name]
    return { name, value, ...info, ...(info.kind === 'mask' ? { set: setBits(value, info.bits ?? {}) } : {}) }
  })
}

function setBits(value: number, names: Readonly<Record<string, number>>): string[] {
  const byBit = new Map(Object.entries(names).map(([name, bit]) => [bit, name]))
  const bits = Array.from({ length: 32 }, (_, bit) => bit).filter((bit) => ((value >>> bit) & 1) === 1)
  return bits.map((bit) => byBit.get(bit) ?? `bit ${bit}`)
}
