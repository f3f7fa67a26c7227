import { MSR } from '../../arch/x86/msrs.js'
import { kvm_lapic_state } from '../../kvm/generated/x86.js'
import type { Vcpu } from '../../kvm/vcpu.js'
import type { StateReader } from '../../state.js'
import { whereThere } from '../on-this-host.js'
import { type Saved, saved } from '../saved.js'

/** The local APIC in the kernel. */
export interface Lapic {
  /** Its registers, as at its MMIO address. */
  registers: Uint8Array
  /** When its timer fires, as a value of the time stamp counter; 0 for never, or for a timer in another mode. */
  tscDeadline: bigint
}

/** Undefined for a vCPU without one. */
export function saveLapic(vcpu: Vcpu): Saved<Lapic> | undefined {
  const registers = whereThere(() => vcpu.getLapic())
  if (registers === undefined) return undefined
  const deadline = whereThere(() => vcpu.getMsrs([MSR.IA32_TSC_DEADLINE]))
  return saved({ registers, tscDeadline: deadline?.get(MSR.IA32_TSC_DEADLINE) ?? 0n })
}

export function readLapic(reader: StateReader): Lapic | undefined {
  if (!reader.has('lapic')) return undefined
  const lapic = reader.part('lapic')
  return { registers: lapic.bytes('registers', kvm_lapic_state.size), tscDeadline: lapic.uint64('tscDeadline') }
}

export function restoreLapic(vcpu: Vcpu, lapic: Lapic | undefined): void {
  if (lapic === undefined) return
  // A vCPU that has run may have a timer that is due: it must not fire into the new state.
  setDeadline(vcpu, 0n)
  vcpu.setLapic(lapic.registers)
}

/** Arms the timer, of a local APIC that has been restored: KVM forgets a deadline while the timer is in another mode. */
export function restoreDeadline(vcpu: Vcpu, lapic: Lapic | undefined): void {
  if (lapic !== undefined && lapic.tscDeadline !== 0n) setDeadline(vcpu, lapic.tscDeadline)
}

function setDeadline(vcpu: Vcpu, deadline: bigint): void {
  vcpu.setMsrs([[MSR.IA32_TSC_DEADLINE, deadline]])
}
