import {
  APIC_LVT0,
  DELIVER_INIT,
  DELIVER_NMI,
  DELIVER_SMI,
  DELIVERY_MASK,
  DELIVERY_SHIFT,
  MASKED,
} from '../../arch/x86/apic.js'
import { RFLAGS } from '../../arch/x86/register-bits.js'
import type { Vcpu } from '../../kvm/vcpu.js'
import type { Vm } from '../../kvm/vm.js'

/** SMI, NMI, INIT: they come whether or not interrupts are on. */
const UNSTOPPABLE: readonly number[] = [DELIVER_SMI, DELIVER_NMI, DELIVER_INIT]

/**
 * Whether nothing can wake a guest: every vCPU has halted with interrupts off, or waits to be started by one that has, and
 * no NMI, SMI or INIT is on its way or wired to a device. KVM does not leave the guest then, and nobody would ever hear of
 * it. Every vCPU is paused.
 */
export function haltedForGood(vm: Vm, vcpus: readonly Vcpu[]): boolean {
  return (
    vcpus.every(isStuck) && !vm.getIrqchip('ioapic').redirtbl.some((entry) => isUnstoppable(Number(entry & 0x1_ffffn)))
  )
}

function isStuck(vcpu: Vcpu): boolean {
  const state = vcpu.getMpState()
  if (state === 'uninitialized' || state === 'init-received') return true
  if (state !== 'halted' || (vcpu.getRegs().rflags & RFLAGS.IF) !== 0n) return false
  const { exception, interrupt, nmi, smi } = vcpu.getVcpuEvents()
  const coming = [
    exception.injected,
    exception.pending,
    interrupt.injected,
    nmi.injected,
    nmi.pending,
    smi.pending,
    smi.latched_init,
  ]
  if (coming.some((flag) => flag !== 0)) return false
  // KVM's timer sends NMIs where LINT0 makes them of its interrupts: a watchdog.
  return !isUnstoppable(new DataView(vcpu.getLapic().buffer).getUint32(APIC_LVT0, true))
}

const isUnstoppable = (entry: number) =>
  (entry & MASKED) === 0 && UNSTOPPABLE.includes((entry >> DELIVERY_SHIFT) & DELIVERY_MASK)
