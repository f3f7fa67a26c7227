import { checkInteger, checkOptions } from '../../validate.js'
import type { Calls } from '../calls.js'
import type { Execution } from '../execution.js'
import { kvm_vcpu_events, kvm_vcpu_init } from '../generated/arm64.js'
import { type OneRegCalls, oneRegCalls } from '../one-reg.js'
import { get, update } from '../rows.js'
import type { Patch } from '../struct.js'

/** What KVM_ARM_VCPU_INIT makes of a vCPU, struct kvm_vcpu_init. */
export interface VcpuInit {
  /** KVM_ARM_TARGET_*: from {@link Arm64VmCalls.armPreferredTarget}. */
  target: number
  /** Seven words: KVM_ARM_VCPU_*, a bit each. */
  features: number[]
}

/** The exceptions that wait to be taken: arm64's struct kvm_vcpu_events. */
export interface Arm64VcpuEvents extends kvm_vcpu_events {
  exception: {
    /** 1: an SError. Set, it is injected, with `serror_esr` as its syndrome when `serror_has_esr` is 1. */
    serror_pending: number
    serror_has_esr: number
    /** Set to 1, an external abort is injected for the access that has just exited; it reads 0. */
    ext_dabt_pending: number
    serror_esr: bigint
  }
}

/** What a vCPU has on arm64 alone. */
export interface Arm64VcpuCalls extends OneRegCalls {
  /** KVM_ARM_VCPU_INIT: before anything else is done with the vCPU; again, it is reset. */
  armVcpuInit(init: VcpuInit): void
  /** KVM_ARM_VCPU_FINALIZE: a feature is configured for good: KVM_ARM_VCPU_SVE. */
  armVcpuFinalize(feature: number): void
  /** KVM_GET_VCPU_EVENTS. Needs KVM_CAP_VCPU_EVENTS. */
  getVcpuEvents(): Arm64VcpuEvents
  /** KVM_SET_VCPU_EVENTS; members that are left out keep their value. */
  setVcpuEvents(events: Patch<Arm64VcpuEvents>): void
}

export const arm64VcpuCalls: Calls<Arm64VcpuCalls, Execution> = {
  ...oneRegCalls,
  getVcpuEvents: get('KVM_GET_VCPU_EVENTS', kvm_vcpu_events),
  setVcpuEvents: update('KVM_GET_VCPU_EVENTS', 'KVM_SET_VCPU_EVENTS', kvm_vcpu_events),
  armVcpuInit(vcpu, init) {
    const { target, features } = checkOptions('init', init, ['target', 'features'])
    const bytes = kvm_vcpu_init.bytes({ target, features } as VcpuInit)
    vcpu.change(() => {
      vcpu.fd.ioctl('KVM_ARM_VCPU_INIT', bytes, { target, features })
    })
  },
  armVcpuFinalize(vcpu, feature) {
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setInt32(0, checkInteger('feature', feature, 0, 2 ** 31 - 1), true)
    vcpu.change(() => {
      vcpu.fd.ioctl('KVM_ARM_VCPU_FINALIZE', bytes, { feature })
    })
  },
}
