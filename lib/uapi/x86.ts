/**
 * What the kernel's KVM interface has on x86_64 alone, or has otherwise there; see `node-kvm/uapi`.
 *
 * @packageDocumentation
 */
export * from '../kvm/generated/x86.js'
