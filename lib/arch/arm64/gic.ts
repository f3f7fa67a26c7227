import { checkInteger, checkUint64, unknownName } from '../../validate.js'
import { systemRegisterBits, systemRegisters } from './system-registers.js'

// The attributes of KVM's virtual GICs and their ITS (the kernel's documentation of the vGIC devices; arm64's <asm/kvm.h>), and
// registers of the hardware that they stand for (Arm GIC architecture specification, IHI 0048 and IHI 0069).

/** An attribute of a KVM device: what KVM_SET_DEVICE_ATTR and its kin are given beside a value. */
export interface DeviceAttribute {
  group: number
  attr: bigint
}

/** KVM_DEV_ARM_VGIC_GRP_*. */
export const GIC_GROUP = {
  ADDR: 0,
  DIST_REGS: 1,
  CPU_REGS: 2,
  NR_IRQS: 3,
  CTRL: 4,
  REDIST_REGS: 5,
  CPU_SYSREGS: 6,
  LEVEL_INFO: 7,
  ITS_REGS: 8,
  MAINT_IRQ: 9,
} as const

/** KVM_VGIC_V2_ADDR_TYPE_* and KVM_VGIC_V3_ADDR_TYPE_*, KVM_VGIC_ITS_ADDR_TYPE. */
export const GIC_ADDRESS = {
  V2_DIST: 0,
  V2_CPU: 1,
  V3_DIST: 2,
  V3_REDIST: 3,
  ITS: 4,
  V3_REDIST_REGION: 5,
} as const

/** KVM_DEV_ARM_VGIC_CTRL_INIT and what else the control group takes. */
export const GIC_CTRL = {
  INIT: 0,
  ITS_SAVE_TABLES: 1,
  ITS_RESTORE_TABLES: 2,
  SAVE_PENDING_TABLES: 3,
  ITS_RESET: 4,
} as const

/** Registers by their offsets; `_R` ones are the first of an array. Those of a redistributor with an SGI frame lie from 0x10000 on. */
export const GIC_REGISTER = {
  GICD_CTLR: 0x0,
  GICD_TYPER: 0x4,
  GICD_IIDR: 0x8,
  GICD_STATUSR: 0x10,
  GICD_IGROUPR: 0x80,
  GICD_ISENABLER: 0x100,
  GICD_ICENABLER: 0x180,
  GICD_ISPENDR: 0x200,
  GICD_ICPENDR: 0x280,
  GICD_ISACTIVER: 0x300,
  GICD_ICACTIVER: 0x380,
  GICD_IPRIORITYR: 0x400,
  GICD_ITARGETSR: 0x800,
  GICD_ICFGR: 0xc00,
  GICD_SGIR: 0xf00,
  GICD_CPENDSGIR: 0xf10,
  GICD_SPENDSGIR: 0xf20,
  GICD_IROUTER: 0x6000,
  GICC_CTLR: 0x0,
  GICC_PMR: 0x4,
  GICC_BPR: 0x8,
  GICC_IAR: 0xc,
  GICC_EOIR: 0x10,
  GICC_RPR: 0x14,
  GICC_HPPIR: 0x18,
  GICC_ABPR: 0x1c,
  GICC_APR: 0xd0,
  GICC_IIDR: 0xfc,
  GICC_DIR: 0x1000,
  GICR_CTLR: 0x0,
  GICR_IIDR: 0x4,
  GICR_TYPER: 0x8,
  GICR_STATUSR: 0x10,
  GICR_WAKER: 0x14,
  GICR_PROPBASER: 0x70,
  GICR_PENDBASER: 0x78,
  GICR_IGROUPR0: 0x1_0080,
  GICR_ISENABLER0: 0x1_0100,
  GICR_ICENABLER0: 0x1_0180,
  GICR_ISPENDR0: 0x1_0200,
  GICR_ICPENDR0: 0x1_0280,
  GICR_ISACTIVER0: 0x1_0300,
  GICR_ICACTIVER0: 0x1_0380,
  GICR_IPRIORITYR: 0x1_0400,
  GICR_ICFGR0: 0x1_0c00,
  GITS_CTLR: 0x0,
  GITS_IIDR: 0x4,
  GITS_TYPER: 0x8,
  GITS_CBASER: 0x80,
  GITS_CWRITER: 0x88,
  GITS_CREADR: 0x90,
  GITS_BASER: 0x100,
} as const

export type GicRegister = keyof typeof GIC_REGISTER

function offsetOf(register: GicRegister | number, prefix: string): number {
  if (typeof register === 'number') return checkInteger('register', register, 0, 0xffff_ffff)
  const names = Object.keys(GIC_REGISTER).filter((name) => name.startsWith(prefix))
  if (!names.includes(register)) throw unknownName(`${prefix} register`, register, names)
  return GIC_REGISTER[register]
}

/** The affinity as attributes have it: Aff3, Aff2, Aff1, Aff0 in a byte each, from MPIDR_EL1. */
export function affinity(mpidr: bigint): number {
  const value = checkUint64('mpidr', mpidr)
  return Number(((value >> 32n) & 0xffn) * 0x100_0000n + (value & 0xff_ffffn))
}

const attribute = (group: number, high: number, low: number): DeviceAttribute => ({
  group,
  attr: (BigInt(high) << 32n) | BigInt(low),
})

const checkCpu = (cpu: number) => checkInteger('cpu', cpu, 0, 0xff)
const checkAffinity = (cpu: number) => checkInteger('affinity', cpu, 0, 0xffff_ffff)

/** Where a part of the GIC lies. The value is its guest physical address; of a redistributor region it has count and index, too. */
export function gicAddress(type: keyof typeof GIC_ADDRESS): DeviceAttribute {
  const number = Object.hasOwn(GIC_ADDRESS, type) ? GIC_ADDRESS[type] : undefined
  if (number === undefined) throw unknownName('GIC address', type, Object.keys(GIC_ADDRESS))
  return attribute(GIC_GROUP.ADDR, 0, number)
}

/** What the control group does: `INIT` once the vCPUs are there. There is no value. */
export function gicControl(action: keyof typeof GIC_CTRL): DeviceAttribute {
  const number = Object.hasOwn(GIC_CTRL, action) ? GIC_CTRL[action] : undefined
  if (number === undefined) throw unknownName('GIC control', action, Object.keys(GIC_CTRL))
  return attribute(GIC_GROUP.CTRL, 0, number)
}

/** How many interrupts the GIC has, SGIs and PPIs included. The value has 32 bits: 64 to 1024, a multiple of 32. */
export function gicInterrupts(): DeviceAttribute {
  return attribute(GIC_GROUP.NR_IRQS, 0, 0)
}

/** A register of the distributor, by name or offset. `cpu`: a GICv2's vCPU, or for GICv3 an affinity(), which most registers ignore. */
export function gicDistributor(register: GicRegister | number, cpu = 0): DeviceAttribute {
  return attribute(GIC_GROUP.DIST_REGS, checkAffinity(cpu), offsetOf(register, 'GICD_'))
}

/** A register of a GICv2's CPU interface. */
export function gicCpuInterface(register: GicRegister | number, cpu: number): DeviceAttribute {
  return attribute(GIC_GROUP.CPU_REGS, checkCpu(cpu), offsetOf(register, 'GICC_'))
}

/** A register of a GICv3's redistributor: that of the vCPU with this affinity(). */
export function gicRedistributor(register: GicRegister | number, cpu: number): DeviceAttribute {
  return attribute(GIC_GROUP.REDIST_REGS, checkAffinity(cpu), offsetOf(register, 'GICR_'))
}

/** A system register of a GICv3's CPU interface, `ICC_PMR_EL1`: that of the vCPU with this affinity(). The value has 64 bits. */
export function gicSystemRegister(register: string, cpu: number): DeviceAttribute {
  const bits = typeof register === 'string' ? systemRegisterBits(register) : undefined
  if (bits === undefined) {
    const names = [...systemRegisters().keys()].filter((name) => name.startsWith('ICC_'))
    throw unknownName('GIC system register', register, names)
  }
  return attribute(GIC_GROUP.CPU_SYSREGS, checkAffinity(cpu), bits)
}

/** The levels of 32 lines, the first of which is `intid`, a multiple of 32. The value has 32 bits. */
export function gicLineLevels(intid: number, cpu = 0): DeviceAttribute {
  const first = checkInteger('intid', intid, 0, 0x3e0)
  return attribute(GIC_GROUP.LEVEL_INFO, checkAffinity(cpu), first - (first % 32))
}

/** A register of the ITS. */
export function gicIts(register: GicRegister | number): DeviceAttribute {
  return attribute(GIC_GROUP.ITS_REGS, 0, offsetOf(register, 'GITS_'))
}
