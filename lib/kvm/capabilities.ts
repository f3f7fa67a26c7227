import { CAPABILITY_NUMBERS } from './generated/capabilities.js'

/** The name of a capability. */
export type CapabilityName = keyof typeof CAPABILITY_NUMBERS

/** Every capability of the KVM API, by the kernel's name (KVM API, KVM_CHECK_EXTENSION). */
export const CAPABILITIES = Object.keys(CAPABILITY_NUMBERS) as readonly CapabilityName[]
