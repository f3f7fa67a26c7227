import { checkInteger } from '../validate.js'
import type { Calls } from './calls.js'
import type { CapabilityName } from './capabilities.js'
import { type DeviceAttrCalls, getDeviceAttr, hasDeviceAttr, setDeviceAttr } from './device-attr.js'
import { enableCap } from './enable-cap.js'
import type { Execution } from './execution.js'
import { kvm_pre_fault_memory } from './generated/common.js'
import { openStatsFd, type StatsFd } from './stats-fd.js'

/** What a vCPU has on every architecture. */
export interface VcpuCalls extends DeviceAttrCalls {
  /**
   * KVM_ENABLE_CAP: switches a capability on for this vCPU (KVM API, section 6); `args` is what it wants. Returns what the
   * kernel answers: the version for KVM_CAP_HYPERV_ENLIGHTENED_VMCS, else 0.
   */
  enableCap(capability: CapabilityName, ...args: (number | bigint)[]): number
  /**
   * KVM_PRE_FAULT_MEMORY: maps guest memory as if this vCPU had read it, so that the guest does not fault on it; whole pages. Needs
   * KVM_CAP_PRE_FAULT_MEMORY.
   */
  preFaultMemory(address: number, size: number): void
  /** KVM_GET_STATS_FD: what KVM counts for this vCPU. */
  getStatsFd(): StatsFd
}

export const vcpuCalls: Calls<VcpuCalls, Execution> = {
  enableCap(vcpu, capability, ...args) {
    let answer = 0
    vcpu.change(() => {
      answer = enableCap(vcpu.fd, capability, args)
    })
    return answer
  },
  preFaultMemory(vcpu, address, size) {
    const bytes = kvm_pre_fault_memory.bytes({
      gpa: BigInt(checkInteger('address', address, 0, Number.MAX_SAFE_INTEGER)),
      size: BigInt(checkInteger('size', size, 1, Number.MAX_SAFE_INTEGER)),
    })
    const data = new DataView(bytes.buffer)
    vcpu.checkOutside()
    // The kernel may stop between pages; the struct then says what is left.
    while (kvm_pre_fault_memory.decode(data).size > 0n) {
      vcpu.fd.ioctl('KVM_PRE_FAULT_MEMORY', bytes, { address, size })
    }
  },
  getStatsFd(vcpu) {
    vcpu.checkOutside()
    return openStatsFd(vcpu.fd)
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
