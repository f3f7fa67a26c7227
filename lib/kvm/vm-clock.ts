import { Struct } from './struct.js'

/** The VM's clock, struct kvm_clock_data (KVM API, KVM_GET_CLOCK). x86_64. */
export interface ClockData {
  /** kvmclock, in nanoseconds. */
  clock: bigint
  /** KVM_CLOCK_*: what the kernel filled, or what the caller wants used. */
  flags: number
  /** Host's CLOCK_REALTIME in nanoseconds, when `flags` says so. */
  realtime: bigint
  /** Host's TSC, when `flags` says so. */
  host_tsc: bigint
}

/** Its layout in the kernel. */
export const clockStruct = new Struct<ClockData>('kvm_clock_data')
