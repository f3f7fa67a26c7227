import { checkOneOf } from '../validate.js'
import type { Fd } from './fd.js'
import { kvm_mp_state } from './generated/common.js'

// In the order of the kernel's numbers, KVM_MP_STATE_*.
const MP_STATES = [
  'runnable',
  'uninitialized',
  'init-received',
  'halted',
  'sipi-received',
  'stopped',
  'check-stop',
  'operating',
  'load',
  'ap-reset-hold',
  'suspended',
] as const

/** What a vCPU is doing (KVM API, KVM_GET_MP_STATE). A state of a newer kernel has its number for a name. */
export type MpState = (typeof MP_STATES)[number] | `unknown ${number}`

const UNKNOWN = 'unknown '

export function readMpState(fd: Fd): MpState {
  const number = fd.get('KVM_GET_MP_STATE', kvm_mp_state).mp_state
  return MP_STATES[number] ?? `unknown ${number}`
}

export function checkMpState(state: unknown): MpState {
  return isUnknown(state) ? state : checkOneOf('state', state, MP_STATES)
}

export function writeMpState(fd: Fd, state: MpState): void {
  const number = isUnknown(state) ? Number(state.slice(UNKNOWN.length)) : MP_STATES.indexOf(state)
  fd.set('KVM_SET_MP_STATE', kvm_mp_state, { mp_state: number }, { state })
}

function isUnknown(state: unknown): state is `unknown ${number}` {
  return typeof state === 'string' && state.startsWith(UNKNOWN) && /^\d{1,9}$/.test(state.slice(UNKNOWN.length))
}
