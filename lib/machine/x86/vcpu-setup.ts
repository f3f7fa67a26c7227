import type { CpuidEntry } from '../../kvm/cpuid.js'
import type { Vcpu } from '../../kvm/vcpu.js'
import type { EntryState } from '../../boot/types.js'
import { type CpuPlace, vcpuCpuid } from './cpuid.js'

// Model-specific registers (Intel SDM vol. 4) as firmware leaves them for an operating system.
const MSR_IA32_MISC_ENABLE = 0x1a0
const MISC_ENABLE_FAST_STRING = 1n
const MSR_MTRR_DEF_TYPE = 0x2ff
const MTRR_ENABLE = 1n << 11n
const MTRR_WRITE_BACK = 6n

// Local vector table of the local APIC (Intel SDM vol. 3A, 10.5.1): offset, and delivery modes.
const APIC_LVT0 = 0x350
const APIC_LVT1 = 0x360
const DELIVER_EXTINT = 0x700
const DELIVER_NMI = 0x400
const DELIVERY_MASK = 0x700

/** Sets what firmware would have set up before it hands over. */
export function setUpVcpu(vcpu: Vcpu, supported: readonly CpuidEntry[], place: CpuPlace): void {
  vcpu.setCpuid2(vcpuCpuid(supported, place))
  vcpu.setMsrs([
    [MSR_IA32_MISC_ENABLE, MISC_ENABLE_FAST_STRING],
    [MSR_MTRR_DEF_TYPE, MTRR_ENABLE | MTRR_WRITE_BACK],
  ])
  const lapic = vcpu.getLapic()
  const registers = new DataView(lapic.buffer)
  const deliver = (register: number, mode: number) => {
    registers.setUint32(register, (registers.getUint32(register, true) & ~DELIVERY_MASK) | mode, true)
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
