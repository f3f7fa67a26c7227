import { checkUint64 } from '../../validate.js'
import type { Calls } from '../calls.js'
import type { Execution } from '../execution.js'
import { kvm_x86_mce } from '../generated/x86.js'
import type { Patch } from '../struct.js'

/** A machine check, struct kvm_x86_mce: what a bank of the vCPU's reports (Intel SDM volume 3, chapter on machine checks). */
export interface Mce extends kvm_x86_mce {
  /** IA32_MCi_STATUS. */
  status: bigint
  /** IA32_MCi_ADDR. */
  addr: bigint
  /** IA32_MCi_MISC. */
  misc: bigint
  /** IA32_MCG_STATUS. */
  mcg_status: bigint
  /** Which one. */
  bank: number
}

/** Machine checks of a vCPU. */
export interface MceCalls {
  /**
   * KVM_X86_SETUP_MCE: the vCPU gets IA32_MCG_CAP, whose lowest byte is the number of banks; of what
   * `kvm.x86GetMceCapSupported()` returns.
   */
  x86SetupMce(capability: bigint): void
  /** KVM_X86_SET_MCE: injects one; what is left out is 0. */
  x86SetMce(mce: Patch<Mce>): void
}

export const mceCalls: Calls<MceCalls, Execution> = {
  x86SetupMce(vcpu, capability) {
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setBigUint64(0, checkUint64('capability', capability), true)
    vcpu.change(() => {
      vcpu.fd.ioctl('KVM_X86_SETUP_MCE', bytes, { capability })
    })
  },
  x86SetMce(vcpu, mce) {
    const bytes = kvm_x86_mce.bytes(mce)
    vcpu.change(() => {
      vcpu.fd.ioctl('KVM_X86_SET_MCE', bytes, { ...mce })
    })
  },
}
