import { lazy } from '../../lazy.js'
import { checkUint64, invalidArgument, unknownName } from '../../validate.js'
import {
  packEncoding,
  systemRegisterBits,
  type SystemRegisterEncoding,
  systemRegisterName,
  systemRegisters,
} from './system-registers.js'

// Ids of KVM_GET_ONE_REG and KVM_SET_ONE_REG (KVM API; arm64's <asm/kvm.h>). The test compares these with the header's.
const KVM_REG_ARM64 = 0x6000_0000_0000_0000n
const KVM_REG_SIZE_SHIFT = 52n
const KVM_REG_SIZE_MASK = 0xfn
const COPROC_SHIFT = 16n
const COPROC_MASK = 0xfffn
const CORE = 0x10n
const DEMUX = 0x11n
const SYSREG = 0x13n
const FIRMWARE = 0x14n
const SVE = 0x15n
const FIRMWARE_FEATURES = 0x16n

// Sizes in bytes.
const [U32, U64, U128, U256, U512, U2048] = [4, 8, 16, 32, 64, 256]

function makeId(size: number, coproc: bigint, rest: bigint | number): bigint {
  return KVM_REG_ARM64 | (BigInt(Math.log2(size)) << KVM_REG_SIZE_SHIFT) | (coproc << COPROC_SHIFT) | BigInt(rest)
}

// struct kvm_regs: x0 to x30, sp, pc, pstate, sp_el1, elr_el1 and five SPSRs of 8 bytes each, padding; 32 vectors, two words.
// The id of a part is its place in words of 4 bytes.
const CORE_NAMES = [
  ...Array.from({ length: 31 }, (_, number) => `x${number}`),
  ...['sp', 'pc', 'pstate', 'sp_el1', 'elr_el1', 'spsr_el1', 'spsr_abt', 'spsr_und', 'spsr_irq', 'spsr_fiq'],
]
const VECTORS_AT = 336
const FPSR_AT = VECTORS_AT + 32 * U128

const core = (size: number, at: number) => makeId(size, CORE, at / 4)

// The kernel has the encodings of these two the wrong way round, and keeps them so (<asm/kvm.h>, KVM_REG_ARM_TIMER_CVAL).
const SWAPPED: ReadonlyMap<string, string> = new Map([
  ['CNTV_CVAL_EL0', 'CNTVCT_EL0'],
  ['CNTVCT_EL0', 'CNTV_CVAL_EL0'],
])
const swap = (name: string) => SWAPPED.get(name) ?? name

const ids = lazy((): ReadonlyMap<string, bigint> => {
  const all = new Map<string, bigint>()
  CORE_NAMES.forEach((name, index) => all.set(name, core(U64, index * U64)))
  for (let number = 0; number < 32; number++) all.set(`v${number}`, core(U128, VECTORS_AT + number * U128))
  all.set('fpsr', core(U32, FPSR_AT))
  all.set('fpcr', core(U32, FPSR_AT + U32))
  for (let number = 0; number < 32; number++) all.set(`z${number}`, makeId(U2048, SVE, number << 5))
  for (let number = 0; number < 16; number++) all.set(`p${number}`, makeId(U256, SVE, 0x400 | (number << 5)))
  all.set('ffr', makeId(U256, SVE, 0x600))
  all.set('KVM_REG_ARM64_SVE_VLS', makeId(U512, SVE, 0xffff))
  for (let number = 0; number < 14; number++) all.set(`ccsidr${number}`, makeId(U32, DEMUX, number))
  all.set('KVM_REG_ARM_PSCI_VERSION', makeId(U64, FIRMWARE, 0))
  for (const number of [1, 2, 3]) all.set(`KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_${number}`, makeId(U64, FIRMWARE, number))
  for (const [index, name] of ['STD_BMAP', 'STD_HYP_BMAP', 'VENDOR_HYP_BMAP', 'VENDOR_HYP_BMAP_2'].entries()) {
    all.set(`KVM_REG_ARM_${name}`, makeId(U64, FIRMWARE_FEATURES, index))
  }
  for (const [name, bits] of systemRegisters()) all.set(swap(name), makeId(U64, SYSREG, bits))
  return all
})

const names = lazy(() => new Map([...ids()].map(([name, id]) => [id, name])))

/** The names of every register that has one, in the order of `registerId()`'s table. */
export function registerNames(): string[] {
  return [...ids().keys()]
}

/**
 * The id by which KVM_GET_ONE_REG and KVM_SET_ONE_REG know a register: of the core (`x0` to `x30`, `sp`, `pc`, `pstate`, `sp_el1`,
 * `elr_el1`, `spsr_el1` ...), of floating point and SVE (`v0`, `fpsr`, `fpcr`, `z0`, `p0`, `ffr`), of the system (`SCTLR_EL1`, or
 * `S3_0_C1_C0_0`, or its encoding), of a timer (`CNTV_CTL_EL0`), or of the firmware (`KVM_REG_ARM_PSCI_VERSION`). Throws
 * `ERR_KVM_INVALID_ARGUMENT` with the names that were perhaps meant.
 */
export function registerId(register: string | SystemRegisterEncoding): bigint {
  if (typeof register === 'object') return makeId(U64, SYSREG, packEncoding(register))
  const known = ids().get(register)
  if (known !== undefined) return known
  const bits = typeof register === 'string' ? systemRegisterBits(register) : undefined
  if (bits === undefined) throw unknownName('arm64 register', register, registerNames())
  return makeId(U64, SYSREG, bits)
}

/** What a register is called: the other way round. `S3_0_C15_C1_0` for a system register without a name, else undefined. */
export function registerName(id: bigint): string | undefined {
  const known = names().get(checkUint64('id', id))
  if (known !== undefined) return known
  const isSystem = id >> COPROC_SHIFT === makeId(U64, SYSREG, 0) >> COPROC_SHIFT
  return isSystem ? systemRegisterName(Number(id & 0xffffn)) : undefined
}

/** The bytes that a register has, which its id says. */
export function registerSize(id: bigint): number {
  const exponent = (checkUint64('id', id) >> KVM_REG_SIZE_SHIFT) & KVM_REG_SIZE_MASK
  if (id >> 56n !== KVM_REG_ARM64 >> 56n || exponent > 8n)
    throw invalidArgument('id', id, 'the id of an arm64 register')
  return 2 ** Number(exponent)
}

export type RegisterKind = 'core' | 'cache' | 'system' | 'firmware' | 'sve' | 'firmware-features'

const KINDS = new Map<bigint, RegisterKind>([
  [CORE, 'core'],
  [DEMUX, 'cache'],
  [SYSREG, 'system'],
  [FIRMWARE, 'firmware'],
  [SVE, 'sve'],
  [FIRMWARE_FEATURES, 'firmware-features'],
])

/** Which kind of register an id of `KVM_GET_REG_LIST` is of. */
export function registerKind(id: bigint): RegisterKind | undefined {
  return KINDS.get((checkUint64('id', id) >> COPROC_SHIFT) & COPROC_MASK)
}
