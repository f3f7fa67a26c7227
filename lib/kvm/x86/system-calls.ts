import type { Calls } from '../calls.js'
import { type CpuidEntry, readCpuid } from '../cpuid.js'
import { type DeviceAttrCalls, getDeviceAttr, hasDeviceAttr } from '../device-attr.js'
import type { Fd } from '../fd.js'
import { readMsrIndexList, readMsrs } from '../msrs.js'

/** What `/dev/kvm` itself has on x86_64 alone. */
export interface X86SystemCalls extends Pick<DeviceAttrCalls, 'hasDeviceAttr' | 'getDeviceAttr'> {
  /** KVM_GET_SUPPORTED_CPUID: the CPUID that the host can give a vCPU, the usual start for setCpuid2(). */
  getSupportedCpuid(): CpuidEntry[]
  /** KVM_GET_EMULATED_CPUID: features that KVM emulates, slowly, on hardware that lacks them. */
  getEmulatedCpuid(): CpuidEntry[]
  /** KVM_GET_SUPPORTED_HV_CPUID: the CPUID with which a vCPU can look like one of Hyper-V's. Needs KVM_CAP_SYS_HYPERV_CPUID. */
  getSupportedHvCpuid(): CpuidEntry[]
  /** KVM_GET_MSR_INDEX_LIST: the MSRs that make up a vCPU's state on this host. */
  getMsrIndexList(): number[]
  /** KVM_GET_MSR_FEATURE_INDEX_LIST: the MSRs that say what the host can give a vCPU, for {@link X86SystemCalls.getMsrs}. */
  getMsrFeatureIndexList(): number[]
  /** KVM_GET_MSRS: what the host can give a vCPU, as values of feature MSRs. Throws `ERR_KVM_MSR` for another one. */
  getMsrs(indices: Iterable<number>): Map<number, bigint>
  /** KVM_X86_GET_MCE_CAP_SUPPORTED: the IA32_MCG_CAP that a vCPU can have, for x86SetupMce(). */
  x86GetMceCapSupported(): bigint
}

export const x86SystemCalls: Calls<X86SystemCalls, Fd> = {
  getSupportedCpuid: (fd) => readCpuid(fd, 'KVM_GET_SUPPORTED_CPUID'),
  getEmulatedCpuid: (fd) => readCpuid(fd, 'KVM_GET_EMULATED_CPUID'),
  getSupportedHvCpuid: (fd) => readCpuid(fd, 'KVM_GET_SUPPORTED_HV_CPUID'),
  getMsrIndexList: (fd) => readMsrIndexList(fd, 'KVM_GET_MSR_INDEX_LIST'),
  getMsrFeatureIndexList: (fd) => readMsrIndexList(fd, 'KVM_GET_MSR_FEATURE_INDEX_LIST'),
  getMsrs: readMsrs,
  x86GetMceCapSupported(fd) {
    const bytes = new Uint8Array(8)
    fd.ioctl('KVM_X86_GET_MCE_CAP_SUPPORTED', bytes)
    return new DataView(bytes.buffer).getBigUint64(0, true)
  },
  hasDeviceAttr,
  getDeviceAttr,
}
