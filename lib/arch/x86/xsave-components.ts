import { KvmError } from '../../errors.js'
import { hex } from '../../format.js'
import { LEAF_XSAVE } from './cpuid-leaves.js'
import type { CpuidTable } from './cpuid-table.js'

/** State components by their bits in XCR0, IA32_XSS, XSTATE_BV and XCOMP_BV (Intel SDM vol. 1, 13.1). */
export const XSAVE_COMPONENTS = [
  ...(['x87', 'SSE', 'AVX', 'BNDREGS', 'BNDCSR', 'opmask', 'ZMM_Hi256', 'Hi16_ZMM', 'PT', 'PKRU'] as const),
  ...(['PASID', 'CET_U', 'CET_S', 'HDC', 'UINTR', 'LBR', 'HWP', 'TILECFG', 'TILEDATA', 'APX'] as const),
] as const

export type XsaveComponent = (typeof XSAVE_COMPONENTS)[number]

/** Where a component lies in an area, in bytes. */
export interface ComponentPlace {
  offset: number
  size: number
}

// The legacy region, as FXSAVE has it, and the header (SDM vol. 1, 13.4.1 and 13.4.2).
export const LEGACY_SIZE = 512
export const HEADER_SIZE = 64
export const EXTENDED_AT = LEGACY_SIZE + HEADER_SIZE
export const FIRST_EXTENDED = 2
const COMPACTED = 1n << 63n
const LAST_COMPONENT = 62

const hasBit = (bits: bigint, component: number) => ((bits >> BigInt(component)) & 1n) === 1n

/** The components beyond x87 and SSE of an area with this XCOMP_BV, from leaf 0xd: by their bits. */
export function componentPlaces(cpuid: CpuidTable, xcompBv: bigint): Map<number, ComponentPlace> {
  return xcompBv === 0n ? standardPlaces(cpuid) : compactedPlaces(cpuid, xcompBv)
}

function standardPlaces(cpuid: CpuidTable): Map<number, ComponentPlace> {
  const places = new Map<number, ComponentPlace>()
  for (let component = FIRST_EXTENDED; component <= LAST_COMPONENT; component++) {
    const { eax: size = 0, ebx: offset = 0, ecx = 0 } = cpuid.leaf(LEAF_XSAVE, component) ?? {}
    // A component of IA32_XSS is in compacted areas alone.
    if (size !== 0 && (ecx & 1) === 0) places.set(component, { offset, size })
  }
  return places
}

/** One behind the other, some of them on 64 bytes (SDM vol. 1, 13.4.3). */
function compactedPlaces(cpuid: CpuidTable, xcompBv: bigint): Map<number, ComponentPlace> {
  if ((xcompBv & COMPACTED) === 0n) throw malformed(xcompBv, 'is neither 0 nor of the compacted format')
  const places = new Map<number, ComponentPlace>()
  let offset = EXTENDED_AT
  for (let component = FIRST_EXTENDED; component <= LAST_COMPONENT; component++) {
    if (!hasBit(xcompBv, component)) continue
    const { eax: size = 0, ecx = 0 } = cpuid.leaf(LEAF_XSAVE, component) ?? {}
    if (size === 0) throw malformed(xcompBv, `has component ${component}, which leaf 0xd of this CPUID has not`)
    if ((ecx & 2) !== 0) offset = Math.ceil(offset / 64) * 64
    places.set(component, { offset, size })
    offset += size
  }
  return places
}

function malformed(xcompBv: bigint, what: string): KvmError {
  return new KvmError('ERR_KVM_INVALID_ARGUMENT', `XCOMP_BV of the XSAVE area, ${hex(xcompBv)}, ${what}`, {
    operands: { xcompBv },
  })
}
