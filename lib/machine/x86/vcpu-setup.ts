import {
  APIC_LVT0,
  APIC_LVT1,
  DELIVER_EXTINT,
  DELIVER_NMI,
  DELIVERY_MASK,
  DELIVERY_SHIFT,
} from '../../arch/x86/apic.js'
import { MISC_ENABLE_FAST_STRING, MSR, MTRR_ENABLE, MTRR_WRITE_BACK } from '../../arch/x86/msrs.js'
import type { EntryState } from '../../arch/x86/registers.js'
import type { CpuidEntry } from '../../kvm/cpuid.js'
import type { Vcpu } from '../../kvm/vcpu.js'

/** Sets what firmware would have set up before it hands over. */
export function setUpVcpu(vcpu: Vcpu, cpuid: readonly CpuidEntry[]): void {
  vcpu.setCpuid2(cpuid)
  vcpu.setMsrs([
    [MSR.IA32_MISC_ENABLE, MISC_ENABLE_FAST_STRING],
    [MSR.IA32_MTRR_DEF_TYPE, MTRR_ENABLE | MTRR_WRITE_BACK],
  ])
  const lapic = vcpu.getLapic()
  const registers = new DataView(lapic.buffer)
  const deliver = (register: number, mode: number) => {
    const others = registers.getUint32(register, true) & ~(DELIVERY_MASK << DELIVERY_SHIFT)
    registers.setUint32(register, others | (mode << DELIVERY_SHIFT), true)
  }
  // The 8259's output comes in on LINT0, NMIs on LINT1, as on a PC.
  deliver(APIC_LVT0, DELIVER_EXTINT)
  deliver(APIC_LVT1, DELIVER_NMI)
  vcpu.setLapic(lapic)
}

/** Puts the boot processor at the guest's entry. */
export function enter(vcpu: Vcpu, { regs, sregs }: EntryState): void {
  vcpu.setSregs(sregs)
  vcpu.setRegs(regs)
}
