import { KvmError } from '../errors.js'
import { checkBoolean, checkOptions, checkUint64, invalidArgument } from '../validate.js'
import { kvm_guest_debug as arm64GuestDebug } from './generated/arm64.js'
import { KVM_GUESTDBG_BLOCKIRQ, KVM_GUESTDBG_USE_HW_BP, kvm_guest_debug as x86GuestDebug } from './generated/x86.js'
import { KVM_GUESTDBG_ENABLE, KVM_GUESTDBG_SINGLESTEP, KVM_GUESTDBG_USE_SW_BP } from './generated/common.js'

/** What the debugger wants to see (KVM API, KVM_SET_GUEST_DEBUG); what is left out is off. */
export interface GuestDebug {
  /** Off switches everything else off too. */
  enable: boolean
  /** A `debug` exit after each instruction. */
  singleStep?: boolean
  /** A `debug` exit at the guest's breakpoint instructions (INT3). */
  useSwBp?: boolean
  /** Breakpoints in `debugreg`. */
  useHwBp?: boolean
  /** DR0 to DR7 for `useHwBp`. */
  debugreg?: bigint[]
  /** No interrupts while single-stepping. */
  blockIrq?: boolean
}

const FLAGS = new Map([
  ['enable', KVM_GUESTDBG_ENABLE],
  ['singleStep', KVM_GUESTDBG_SINGLESTEP],
  ['useSwBp', KVM_GUESTDBG_USE_SW_BP],
  ['useHwBp', KVM_GUESTDBG_USE_HW_BP],
  ['blockIrq', KVM_GUESTDBG_BLOCKIRQ],
])

/** The options as struct kvm_guest_debug. */
export function guestDebugBytes(debug: GuestDebug): Uint8Array {
  const options = checkOptions('debug', debug, [...FLAGS.keys(), 'debugreg'])
  let control = 0
  for (const [name, flag] of FLAGS) {
    if (checkBoolean(name, options[name] ?? false)) control |= flag
  }
  const debugreg = options['debugreg'] ?? new Array<bigint>(8).fill(0n)
  if (!Array.isArray(debugreg) || debugreg.length !== 8) throw invalidArgument('debugreg', debugreg, 'an array of 8')
  const registers = debugreg.map((value, index) => checkUint64(`debugreg[${index}]`, value))
  const flags = options['enable'] === true ? control : 0
  if (process.arch === 'arm64') {
    const [foreign] = ['useHwBp', 'debugreg', 'blockIrq'].filter((name) => options[name] !== undefined)
    if (foreign === undefined) return arm64GuestDebug.bytes({ control: flags })
    // The breakpoints of arm64 are other registers, which have no option yet.
    throw new KvmError('ERR_KVM_UNSUPPORTED', `${foreign} is for x86_64`, { operands: { option: foreign } })
  }
  return x86GuestDebug.bytes({ control: flags, arch: { debugreg: registers } })
}
