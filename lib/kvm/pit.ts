import type { kvm_pit_channel_state, kvm_pit_state2 } from './generated/x86.js'

/** A channel of the i8254, struct kvm_pit_channel_state (KVM API, KVM_GET_PIT2). x86_64. */
export interface PitChannelState extends kvm_pit_channel_state {
  /** What it counts down from: 1 to 65536. */
  count: number
  latched_count: number
  count_latched: number
  status_latched: number
  status: number
  /** How far the guest is with reading or writing two bytes, and in what order it does: 1 low, 2 high, 3 low and high. */
  read_state: number
  write_state: number
  write_latch: number
  rw_mode: number
  /** 0 to 5; 0xff before the guest has set one. */
  mode: number
  bcd: number
  gate: number
  /** When it began to count, in nanoseconds of the host's clock. The kernel writes its own when a state is set. */
  count_load_time: bigint
}

/** The in-kernel i8254, struct kvm_pit_state2. Setting a state starts the counts anew. x86_64. */
export interface PitState extends kvm_pit_state2 {
  channels: PitChannelState[]
  /** KVM_PIT_FLAGS_*. */
  flags: number
}
