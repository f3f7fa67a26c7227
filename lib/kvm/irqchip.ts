import { checkOneOf } from '../validate.js'
import type { Fd } from './fd.js'
import { type kvm_ioapic_state, kvm_irqchip, type kvm_pic_state } from './generated/x86.js'
import type { Patch } from './struct.js'

/** An 8259 of the in-kernel irqchip, struct kvm_pic_state (KVM API, KVM_GET_IRQCHIP). x86_64. */
export interface PicState extends kvm_pic_state {
  last_irr: number
  irr: number
  /** 1: masked. */
  imr: number
  isr: number
  priority_add: number
  /** The vector of its first input. */
  irq_base: number
  read_reg_select: number
  poll: number
  special_mask: number
  init_state: number
  auto_eoi: number
  rotate_on_auto_eoi: number
  special_fully_nested_mode: number
  init4: number
  /** 1: level-triggered. */
  elcr: number
  /** Which bits of `elcr` the guest can set. */
  elcr_mask: number
}

/** The in-kernel I/O APIC, struct kvm_ioapic_state. x86_64. */
export interface IoapicState extends kvm_ioapic_state {
  base_address: bigint
  ioregsel: number
  id: number
  /** The inputs that ask for an interrupt, one bit a pin. */
  irr: number
  /** The redirection entry of each of the 24 pins. */
  redirtbl: bigint[]
}

/** A chip by its name, as in a {@link GsiRoute}. */
export interface IrqchipStates {
  'pic-master': PicState
  'pic-slave': PicState
  ioapic: IoapicState
}

// In the order of the kernel's numbers, KVM_IRQCHIP_*.
export const IRQCHIPS = ['pic-master', 'pic-slave', 'ioapic'] as const

function chipOf(name: unknown): { chip_id: number; member: 'pic' | 'ioapic' } {
  const chip = checkOneOf('chip', name, IRQCHIPS)
  return { chip_id: IRQCHIPS.indexOf(chip), member: chip === 'ioapic' ? 'ioapic' : 'pic' }
}

export function readIrqchip<Name extends keyof IrqchipStates>(fd: Fd, name: Name): IrqchipStates[Name] {
  const { chip_id, member } = chipOf(name)
  const bytes = kvm_irqchip.bytes({ chip_id })
  fd.ioctl('KVM_GET_IRQCHIP', bytes, { chip: name })
  return kvm_irqchip.decode(new DataView(bytes.buffer)).chip[member] as IrqchipStates[Name]
}

/** Members that are left out keep their value. */
export function writeIrqchip<Name extends keyof IrqchipStates>(
  fd: Fd,
  name: Name,
  patch: Patch<IrqchipStates[Name]>,
): void {
  const { chip_id, member } = chipOf(name)
  const bytes = kvm_irqchip.bytes({ chip_id })
  fd.ioctl('KVM_GET_IRQCHIP', bytes, { chip: name })
  kvm_irqchip.encode({ chip: { [member]: patch } }, new DataView(bytes.buffer))
  fd.ioctl('KVM_SET_IRQCHIP', bytes, { chip: name })
}
