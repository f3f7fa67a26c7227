import { msrNumbers } from './msr-names.js'

/** The numbers of model-specific registers, by name: `vcpu.getMsrs([MSR.IA32_EFER])`. */
export const MSR = msrNumbers()

/** The name of a model-specific register. */
export type MsrName = keyof typeof MSR

// Bits of them (Intel SDM vol. 4).
export const MISC_ENABLE_FAST_STRING = 1n
export const MTRR_ENABLE = 1n << 11n
export const MTRR_WRITE_BACK = 6n
