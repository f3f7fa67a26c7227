import { lazy } from '../../lazy.js'
import { checkInteger, checkOptions } from '../../validate.js'

/** Where an instruction finds a system register (Arm ARM, D23: `MRS <Xt>, S<op0>_<op1>_C<crn>_C<crm>_<op2>`). */
export interface SystemRegisterEncoding {
  op0: number
  op1: number
  crn: number
  crm: number
  op2: number
}

const FIELDS = { op0: 3, op1: 7, crn: 15, crm: 15, op2: 7 } as const

/** The 16 bits in which KVM's ids and the GIC's attributes have the encoding. */
export function packEncoding(encoding: SystemRegisterEncoding): number {
  const given = checkOptions('encoding', encoding, Object.keys(FIELDS))
  for (const [name, most] of Object.entries(FIELDS)) checkInteger(`encoding.${name}`, given[name], 0, most)
  const { op0, op1, crn, crm, op2 } = encoding
  return pack(op0, op1, crn, crm, op2)
}

function pack(op0: number, op1: number, crn: number, crm: number, op2: number): number {
  return (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2
}

export function unpackEncoding(bits: number): SystemRegisterEncoding {
  return { op0: bits >> 14, op1: (bits >> 11) & 7, crn: (bits >> 7) & 15, crm: (bits >> 3) & 15, op2: bits & 7 }
}

// By op0 and op1, and then in the order of encodings: CRn, CRm, op2.
const NAMES = {
  '2 0': `OSDTRRX_EL1 0 0 2, MDCCINT_EL1 0 2 0, MDSCR_EL1 0 2 2, OSDTRTX_EL1 0 3 2, OSECCR_EL1 0 6 2, MDRAR_EL1 1 0 0,
    OSLAR_EL1 1 0 4, OSLSR_EL1 1 1 4, OSDLR_EL1 1 3 4, DBGPRCR_EL1 1 4 4, DBGCLAIMSET_EL1 7 8 6, DBGCLAIMCLR_EL1 7 9 6,
    DBGAUTHSTATUS_EL1 7 14 6`,
  '2 3': `MDCCSR_EL0 0 1 0, DBGDTR_EL0 0 4 0`,
  '2 4': `DBGVCR32_EL2 0 7 0`,
  '3 0': `MIDR_EL1 0 0 0, MPIDR_EL1 0 0 5, REVIDR_EL1 0 0 6,
    ID_PFR0_EL1 0 1 0, ID_PFR1_EL1 0 1 1, ID_DFR0_EL1 0 1 2, ID_AFR0_EL1 0 1 3,
    ID_MMFR0_EL1 0 1 4, ID_MMFR1_EL1 0 1 5, ID_MMFR2_EL1 0 1 6, ID_MMFR3_EL1 0 1 7,
    ID_ISAR0_EL1 0 2 0, ID_ISAR1_EL1 0 2 1, ID_ISAR2_EL1 0 2 2, ID_ISAR3_EL1 0 2 3, ID_ISAR4_EL1 0 2 4,
    ID_ISAR5_EL1 0 2 5, ID_MMFR4_EL1 0 2 6, ID_ISAR6_EL1 0 2 7, MVFR0_EL1 0 3 0, MVFR1_EL1 0 3 1, MVFR2_EL1 0 3 2,
    ID_PFR2_EL1 0 3 4, ID_DFR1_EL1 0 3 5, ID_MMFR5_EL1 0 3 6,
    ID_AA64PFR0_EL1 0 4 0, ID_AA64PFR1_EL1 0 4 1, ID_AA64PFR2_EL1 0 4 2, ID_AA64ZFR0_EL1 0 4 4, ID_AA64SMFR0_EL1 0 4 5,
    ID_AA64FPFR0_EL1 0 4 7, ID_AA64DFR0_EL1 0 5 0, ID_AA64DFR1_EL1 0 5 1, ID_AA64AFR0_EL1 0 5 4, ID_AA64AFR1_EL1 0 5 5,
    ID_AA64ISAR0_EL1 0 6 0, ID_AA64ISAR1_EL1 0 6 1, ID_AA64ISAR2_EL1 0 6 2, ID_AA64ISAR3_EL1 0 6 3,
    ID_AA64MMFR0_EL1 0 7 0, ID_AA64MMFR1_EL1 0 7 1, ID_AA64MMFR2_EL1 0 7 2, ID_AA64MMFR3_EL1 0 7 3, ID_AA64MMFR4_EL1 0 7 4,
    SCTLR_EL1 1 0 0, ACTLR_EL1 1 0 1, CPACR_EL1 1 0 2, SCTLR2_EL1 1 0 3, RGSR_EL1 1 0 5, GCR_EL1 1 0 6,
    ZCR_EL1 1 2 0, TRFCR_EL1 1 2 1, SMPRI_EL1 1 2 4, SMCR_EL1 1 2 6,
    TTBR0_EL1 2 0 0, TTBR1_EL1 2 0 1, TCR_EL1 2 0 2, TCR2_EL1 2 0 3,
    APIAKEYLO_EL1 2 1 0, APIAKEYHI_EL1 2 1 1, APIBKEYLO_EL1 2 1 2, APIBKEYHI_EL1 2 1 3,
    APDAKEYLO_EL1 2 2 0, APDAKEYHI_EL1 2 2 1, APDBKEYLO_EL1 2 2 2, APDBKEYHI_EL1 2 2 3,
    APGAKEYLO_EL1 2 3 0, APGAKEYHI_EL1 2 3 1, SP_EL0 4 1 0, ICC_PMR_EL1 4 6 0,
    AFSR0_EL1 5 1 0, AFSR1_EL1 5 1 1, ESR_EL1 5 2 0, ERRIDR_EL1 5 3 0, ERRSELR_EL1 5 3 1, TFSR_EL1 5 6 0, TFSRE0_EL1 5 6 1,
    FAR_EL1 6 0 0, PAR_EL1 7 4 0, PMINTENSET_EL1 9 14 1, PMINTENCLR_EL1 9 14 2, PMMIR_EL1 9 14 6,
    MAIR_EL1 10 2 0, PIRE0_EL1 10 2 2, PIR_EL1 10 2 3, POR_EL1 10 2 4, AMAIR_EL1 10 3 0,
    VBAR_EL1 12 0 0, ISR_EL1 12 1 0, DISR_EL1 12 1 1,
    ICC_IAR0_EL1 12 8 0, ICC_EOIR0_EL1 12 8 1, ICC_HPPIR0_EL1 12 8 2, ICC_BPR0_EL1 12 8 3,
    ICC_AP0R0_EL1 12 8 4, ICC_AP0R1_EL1 12 8 5, ICC_AP0R2_EL1 12 8 6, ICC_AP0R3_EL1 12 8 7,
    ICC_AP1R0_EL1 12 9 0, ICC_AP1R1_EL1 12 9 1, ICC_AP1R2_EL1 12 9 2, ICC_AP1R3_EL1 12 9 3,
    ICC_DIR_EL1 12 11 1, ICC_RPR_EL1 12 11 3, ICC_SGI1R_EL1 12 11 5, ICC_ASGI1R_EL1 12 11 6, ICC_SGI0R_EL1 12 11 7,
    ICC_IAR1_EL1 12 12 0, ICC_EOIR1_EL1 12 12 1, ICC_HPPIR1_EL1 12 12 2, ICC_BPR1_EL1 12 12 3, ICC_CTLR_EL1 12 12 4,
    ICC_SRE_EL1 12 12 5, ICC_IGRPEN0_EL1 12 12 6, ICC_IGRPEN1_EL1 12 12 7,
    CONTEXTIDR_EL1 13 0 1, TPIDR_EL1 13 0 4, SCXTNUM_EL1 13 0 7, CNTKCTL_EL1 14 1 0`,
  '3 1': `CCSIDR_EL1 0 0 0, CLIDR_EL1 0 0 1, CCSIDR2_EL1 0 0 2, GMID_EL1 0 0 4, SMIDR_EL1 0 0 6, AIDR_EL1 0 0 7`,
  '3 2': `CSSELR_EL1 0 0 0`,
  '3 3': `CTR_EL0 0 0 1, DCZID_EL0 0 0 7, SVCR 4 2 2, FPMR 4 4 2,
    PMCR_EL0 9 12 0, PMCNTENSET_EL0 9 12 1, PMCNTENCLR_EL0 9 12 2, PMOVSCLR_EL0 9 12 3, PMSWINC_EL0 9 12 4,
    PMSELR_EL0 9 12 5, PMCEID0_EL0 9 12 6, PMCEID1_EL0 9 12 7, PMCCNTR_EL0 9 13 0, PMXEVTYPER_EL0 9 13 1,
    PMXEVCNTR_EL0 9 13 2, PMUSERENR_EL0 9 14 0, PMOVSSET_EL0 9 14 3, POR_EL0 10 2 4,
    TPIDR_EL0 13 0 2, TPIDRRO_EL0 13 0 3, TPIDR2_EL0 13 0 5, SCXTNUM_EL0 13 0 7,
    CNTFRQ_EL0 14 0 0, CNTPCT_EL0 14 0 1, CNTVCT_EL0 14 0 2, CNTP_TVAL_EL0 14 2 0, CNTP_CTL_EL0 14 2 1, CNTP_CVAL_EL0 14 2 2,
    CNTV_TVAL_EL0 14 3 0, CNTV_CTL_EL0 14 3 1, CNTV_CVAL_EL0 14 3 2, PMCCFILTR_EL0 14 15 7`,
  '3 4': `VPIDR_EL2 0 0 0, VMPIDR_EL2 0 0 5, SCTLR_EL2 1 0 0, ACTLR_EL2 1 0 1, HCR_EL2 1 1 0, MDCR_EL2 1 1 1, CPTR_EL2 1 1 2,
    HSTR_EL2 1 1 3, HACR_EL2 1 1 7, TTBR0_EL2 2 0 0, TTBR1_EL2 2 0 1, TCR_EL2 2 0 2, VTTBR_EL2 2 1 0, VTCR_EL2 2 1 2,
    DACR32_EL2 3 0 0, SPSR_EL2 4 0 0, ELR_EL2 4 0 1, IFSR32_EL2 5 0 1, AFSR0_EL2 5 1 0, AFSR1_EL2 5 1 1, ESR_EL2 5 2 0,
    FPEXC32_EL2 5 3 0, FAR_EL2 6 0 0, HPFAR_EL2 6 0 4, MAIR_EL2 10 2 0, AMAIR_EL2 10 3 0, VBAR_EL2 12 0 0, RVBAR_EL2 12 0 1,
    CONTEXTIDR_EL2 13 0 1, TPIDR_EL2 13 0 2, CNTVOFF_EL2 14 0 3, CNTHCTL_EL2 14 1 0,
    CNTHP_TVAL_EL2 14 2 0, CNTHP_CTL_EL2 14 2 1, CNTHP_CVAL_EL2 14 2 2,
    CNTHV_TVAL_EL2 14 3 0, CNTHV_CTL_EL2 14 3 1, CNTHV_CVAL_EL2 14 3 2`,
} as const

/** Packed encodings by name. Names are in capitals, as in `APIAKEYLO_EL1`. */
export const systemRegisters = lazy((): ReadonlyMap<string, number> => {
  const registers = new Map<string, number>()
  for (const [ops, names] of Object.entries(NAMES)) {
    const [op0 = 0, op1 = 0] = ops.split(' ').map(Number)
    for (const each of names.split(/,\s+/)) {
      const [name = '', ...rest] = each.split(' ')
      const [crn = 0, crm = 0, op2 = 0] = rest.map(Number)
      registers.set(name, pack(op0, op1, crn, crm, op2))
    }
  }
  for (let number = 0; number < 16; number++) {
    for (const [name, op2] of BREAKPOINTS) registers.set(`${name}${number}_EL1`, pack(2, 0, 0, number, op2))
  }
  for (let number = 0; number < 31; number++) {
    registers.set(`PMEVCNTR${number}_EL0`, pack(3, 3, 14, 8 + (number >> 3), number & 7))
    registers.set(`PMEVTYPER${number}_EL0`, pack(3, 3, 14, 12 + (number >> 3), number & 7))
  }
  return registers
})

const BREAKPOINTS = [
  ['DBGBVR', 4],
  ['DBGBCR', 5],
  ['DBGWVR', 6],
  ['DBGWCR', 7],
] as const

const GENERIC = /^S([0-3])_([0-7])_C(\d|1[0-5])_C(\d|1[0-5])_([0-7])$/

/** The packed encoding of a register by its name, or by the assembler's for one without: `S3_0_C15_C1_0`. */
export function systemRegisterBits(name: string): number | undefined {
  const known = systemRegisters().get(name)
  if (known !== undefined) return known
  const [, ...fields] = GENERIC.exec(name) ?? []
  if (fields.length === 0) return undefined
  const [op0 = 0, op1 = 0, crn = 0, crm = 0, op2 = 0] = fields.map(Number)
  return pack(op0, op1, crn, crm, op2)
}

const namesByBits = lazy(() => new Map([...systemRegisters()].map(([name, bits]) => [bits, name])))

export function systemRegisterName(bits: number): string {
  const { op0, op1, crn, crm, op2 } = unpackEncoding(bits)
  return namesByBits().get(bits) ?? `S${op0}_${op1}_C${crn}_C${crm}_${op2}`
}
