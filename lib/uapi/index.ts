/**
 * The kernel's KVM interface as its headers have it, on every architecture: constants, and structs as types and as codecs
 * (`kvm_irqchip.decode(view)`), under the kernel's names.
 *
 * @packageDocumentation
 */
export { CAPABILITY_NUMBERS } from '../kvm/generated/capabilities.js'
export * from '../kvm/generated/common.js'
export { EXIT_REASONS } from '../kvm/generated/exits.js'
export { IOCTLS } from '../kvm/generated/ioctls.js'
export type { Member } from '../kvm/struct.js'
