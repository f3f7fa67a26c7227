import { checkInteger, checkOptions } from '../../validate.js'
import type { Calls } from '../calls.js'
import type { Execution } from '../execution.js'
import { kvm_vcpu_init } from '../generated/arm64.js'
import { type OneRegCalls, oneRegCalls } from '../one-reg.js'

/** What KVM_ARM_VCPU_INIT makes of a vCPU, struct kvm_vcpu_init. */
export interface VcpuInit {
  /** KVM_ARM_TARGET_*: from {@link Arm64VmCalls.armPreferredTarget}. */
  target: number
  /** Seven words: KVM_ARM_VCPU_*, a bit each. */
  features: number[]
}

/** What a vCPU has on arm64 alone. */
export interface Arm64VcpuCalls extends OneRegCalls {
  /** KVM_ARM_VCPU_INIT: before anything else is done with the vCPU; again, it is reset. */
  armVcpuInit(init: VcpuInit): void
  /** KVM_ARM_VCPU_FINALIZE: a feature is configured for good: KVM_ARM_VCPU_SVE. */
  armVcpuFinalize(feature: number): void
}

export const arm64VcpuCalls: Calls<Arm64VcpuCalls, Execution> = {
  ...oneRegCalls,
  armVcpuInit(vcpu, init) {
    const { target, features } = checkOptions('init', init, ['target', 'features'])
    const bytes = kvm_vcpu_init.bytes({ target, features } as VcpuInit)
    vcpu.change(() => {
      vcpu.fd.ioctl('KVM_ARM_VCPU_INIT', bytes, { vcpu: vcpu.id, target, features })
    })
  },
  armVcpuFinalize(vcpu, feature) {
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setInt32(0, checkInteger('feature', feature, 0, 2 ** 31 - 1), true)
    vcpu.change(() => {
      vcpu.fd.ioctl('KVM_ARM_VCPU_FINALIZE', bytes, { vcpu: vcpu.id, feature })
    })
  },
}
