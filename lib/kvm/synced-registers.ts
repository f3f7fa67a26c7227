import {
  KVM_SYNC_X86_EVENTS,
  KVM_SYNC_X86_REGS,
  KVM_SYNC_X86_SREGS,
  kvm_regs,
  kvm_sregs,
  kvm_vcpu_events,
} from './generated/x86.js'
import { runOffset } from './run-page.js'
import type { Struct } from './struct.js'

/** A register set that KVM can leave in the kvm_run page at each exit (KVM_CAP_SYNC_REGS). */
export interface SyncedRegisters<T extends object> {
  /** Its bit in the capability and in kvm_valid_regs. */
  bit: bigint
  /** Where it lies in the page. */
  offset: number
  /** The ioctl that reads it, where the page does not have it. */
  ioctl: string
  struct: Struct<T>
}

function synced<T extends object>(flag: number, field: string, ioctl: string, struct: Struct<T>): SyncedRegisters<T> {
  return { bit: BigInt(flag), offset: runOffset(field), ioctl, struct }
}

export const SYNCED_REGS = synced(KVM_SYNC_X86_REGS, 's.regs.regs', 'KVM_GET_REGS', kvm_regs)
export const SYNCED_SREGS = synced(KVM_SYNC_X86_SREGS, 's.regs.sregs', 'KVM_GET_SREGS', kvm_sregs)
export const SYNCED_EVENTS = synced(KVM_SYNC_X86_EVENTS, 's.regs.events', 'KVM_GET_VCPU_EVENTS', kvm_vcpu_events)

export const VALID_REGS_OFFSET = runOffset('kvm_valid_regs')
