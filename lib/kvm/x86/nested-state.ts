import { checkBytes, invalidArgument } from '../../validate.js'
import type { Calls } from '../calls.js'
import type { Execution } from '../execution.js'
import { kvm_nested_state } from '../generated/x86.js'

/** What a guest that is a hypervisor itself has made of the vCPU. */
export interface NestedStateCalls {
  /**
   * KVM_GET_NESTED_STATE: as bytes, to be set again on a vCPU with the same CPUID. `kvm_nested_state` of `node-kvm/uapi/x86`
   * decodes the header. Needs KVM_CAP_NESTED_STATE.
   */
  getNestedState(): Uint8Array
  /** KVM_SET_NESTED_STATE: after the special registers and the MSRs. */
  setNestedState(state: Uint8Array): void
}

const SIZE_OFFSET = kvm_nested_state.member('size')?.offset ?? 0

export const nestedStateCalls: Calls<NestedStateCalls, Execution> = {
  getNestedState(vcpu) {
    vcpu.settle()
    const state = new Uint8Array(Math.max(vcpu.check('KVM_CAP_NESTED_STATE'), kvm_nested_state.size))
    const data = new DataView(state.buffer)
    data.setUint32(SIZE_OFFSET, state.length, true)
    vcpu.fd.ioctl('KVM_GET_NESTED_STATE', state)
    return state.slice(0, data.getUint32(SIZE_OFFSET, true))
  },
  setNestedState(vcpu, state) {
    const bytes = Uint8Array.from(checkBytes('state', state))
    const isWhole =
      bytes.length >= kvm_nested_state.size && new DataView(bytes.buffer).getUint32(SIZE_OFFSET, true) === bytes.length
    if (!isWhole) throw invalidArgument('state', state, 'what getNestedState() returned')
    vcpu.change(() => {
      vcpu.fd.ioctl('KVM_SET_NESTED_STATE', bytes, { size: bytes.length })
    })
  },
}
