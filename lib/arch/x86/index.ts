/**
 * What an x86 processor is, as plain data: CPUID as a table, registers and their bits by name, segments, the XSAVE area.
 * Nothing here needs KVM.
 *
 * @packageDocumentation
 */
export type { CpuCache } from './cpuid-caches.js'
export type { CpuidEntry, CpuidRegister, CpuidRegisters } from './cpuid-entry.js'
export { cpuFeature, type CpuFeature, cpuFeatures, type FeatureBit } from './cpuid-features.js'
export { CpuidTable } from './cpuid-table.js'
export type { CpuTopology } from './cpuid-topology.js'
export { msrName } from './msr-names.js'
export { MSR, type MsrName } from './msrs.js'
export { XsaveArea } from './xsave-area.js'
export { XSAVE_COMPONENTS, type XsaveComponent } from './xsave-components.js'
export { bitNames, CR0, CR4, EFER, type RegisterBits, RFLAGS, RFLAGS_FIXED, XCR0 } from './register-bits.js'
export type { SegmentState } from './registers.js'
export { decodeDescriptor, encodeDescriptor, flatSegment } from './segments.js'
