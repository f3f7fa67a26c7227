/**
 * What the kernel's KVM interface has on arm64 alone, or has otherwise there; see `node-kvm/uapi`.
 *
 * @packageDocumentation
 */
export * from '../kvm/generated/arm64.js'
