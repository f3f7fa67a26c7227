import { checkOneOf } from '../validate.js'
import type { Fd } from './fd.js'
import { Struct } from './struct.js'

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

/** What a vCPU is doing (KVM API, KVM_GET_MP_STATE). */
export type MpState = (typeof MP_STATES)[number]

const mpStateStruct = new Struct<{ mp_state: number }>('kvm_mp_state')

export function readMpState(fd: Fd): MpState {
  return MP_STATES[fd.get('KVM_GET_MP_STATE', mpStateStruct).mp_state] ?? 'stopped'
}

export function checkMpState(state: unknown): MpState {
  return checkOneOf('state', state, MP_STATES)
}

export function writeMpState(fd: Fd, state: MpState): void {
  fd.set('KVM_SET_MP_STATE', mpStateStruct, { mp_state: MP_STATES.indexOf(state) }, { state })
}
