import {
  KVM_STATE_NESTED_FORMAT_VMX,
  KVM_STATE_NESTED_GIF_SET,
  KVM_STATE_NESTED_SVM_VMCB_SIZE,
  KVM_STATE_NESTED_VMX_VMCS_SIZE,
  kvm_nested_state,
} from '../../kvm/generated/x86.js'
import type { Vcpu } from '../../kvm/vcpu.js'
import type { StateReader } from '../../state.js'
import { whereThere } from '../on-this-host.js'

// Two of VMX: the guest's own and the one that it shadows.
const MOST = kvm_nested_state.size + Math.max(2 * KVM_STATE_NESTED_VMX_VMCS_SIZE, KVM_STATE_NESTED_SVM_VMCB_SIZE)
const NOWHERE = 2n ** 64n - 1n

const headerOf = (state: Uint8Array) => kvm_nested_state.decode(new DataView(state.buffer, state.byteOffset))

/** Whether the guest is no hypervisor: it has neither entered VMX operation nor a guest of its own, nor holds interrupts back for one. */
function saysNothing(state: Uint8Array): boolean {
  const { flags, format, hdr } = headerOf(state)
  if (format === KVM_STATE_NESTED_FORMAT_VMX) return hdr.vmx.vmxon_pa === NOWHERE
  return flags === KVM_STATE_NESTED_GIF_SET
}

/** What a guest that is a hypervisor has made of the vCPU; undefined for one that is none. */
export function saveNested(vcpu: Vcpu): Uint8Array | undefined {
  const state = whereThere(() => vcpu.getNestedState())
  return state === undefined || saysNothing(state) ? undefined : state
}

export function readNested(reader: StateReader): Uint8Array | undefined {
  if (!reader.has('nested')) return undefined
  const state = reader.bytes('nested', MOST, kvm_nested_state.size)
  if (headerOf(state).size !== state.length) throw reader.refuse('nested', 'as long as its header says')
  return state
}

export function restoreNested(vcpu: Vcpu, state: Uint8Array | undefined): void {
  if (state !== undefined) vcpu.setNestedState(state)
}
