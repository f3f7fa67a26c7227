import type { kvm_clock_data } from './generated/common.js'

/** The VM's clock, struct kvm_clock_data (KVM API, KVM_GET_CLOCK). x86_64. */
export interface ClockData extends kvm_clock_data {
  /** kvmclock, in nanoseconds. */
  clock: bigint
  /** KVM_CLOCK_*: what the kernel filled, or what the caller wants used. */
  flags: number
  /** Host's CLOCK_REALTIME in nanoseconds, when `flags` says so. */
  realtime: bigint
  /** Host's TSC, when `flags` says so. */
  host_tsc: bigint
}
