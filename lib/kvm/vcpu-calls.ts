import type { Calls } from './calls.js'
import type { CapabilityName } from './capabilities.js'
import { type DeviceAttrCalls, getDeviceAttr, hasDeviceAttr, setDeviceAttr } from './device-attr.js'
import { enableCap } from './enable-cap.js'
import type { Execution } from './execution.js'

/** What a vCPU has on every architecture. */
export interface VcpuCalls extends DeviceAttrCalls {
  /**
   * KVM_ENABLE_CAP: switches a capability on for this vCPU (KVM API, section 6); `args` is what it wants. Returns what the
   * kernel answers: the version for KVM_CAP_HYPERV_ENLIGHTENED_VMCS, else 0.
   */
  enableCap(capability: CapabilityName, ...args: (number | bigint)[]): number
}

export const vcpuCalls: Calls<VcpuCalls, Execution> = {
  enableCap(vcpu, capability, ...args) {
    let answer = 0
    vcpu.change(() => {
      answer = enableCap(vcpu.fd, capability, args)
    })
    return answer
  },
  hasDeviceAttr(vcpu, attribute) {
    vcpu.checkOutside()
    return hasDeviceAttr(vcpu.fd, attribute)
  },
  getDeviceAttr(vcpu, attribute, length, given) {
    vcpu.settle()
    return getDeviceAttr(vcpu.fd, attribute, length, given)
  },
  setDeviceAttr(vcpu, attribute, value) {
    vcpu.change(() => {
      setDeviceAttr(vcpu.fd, attribute, value)
    })
  },
}
