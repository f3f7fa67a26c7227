import { MSR } from '../../arch/x86/msrs.js'
import { KvmError } from '../../errors.js'
import { hex } from '../../format.js'
import type { Kvm } from '../../kvm/kvm.js'
import type { Vcpu } from '../../kvm/vcpu.js'
import type { StateReader } from '../../state.js'

export interface SavedMsr {
  index: number
  value: string
}

type MsrValue = readonly [index: number, value: bigint]

/** More than any kernel lists. */
const MOST = 4096

/** These are time, which goes on by itself: tsc.ts and lapic.ts keep the first two, and KVM takes the third from kvmclock. */
const TIME: readonly number[] = [MSR.IA32_TSC, MSR.IA32_TSC_DEADLINE, MSR.HV_X64_MSR_TIME_REF_COUNT]

/** All of KVM_GET_MSR_INDEX_LIST that this vCPU lets be read, in the kernel's order, but time. */
export function saveMsrs(kvm: Kvm, vcpu: Vcpu): SavedMsr[] {
  const values = readable(
    vcpu,
    kvm.getMsrIndexList().filter((index) => !TIME.includes(index)),
  )
  return values.map(([index, value]) => ({ index, value: hex(value) }))
}

function readable(vcpu: Vcpu, indices: readonly number[]): MsrValue[] {
  try {
    return [...vcpu.getMsrs(indices)]
  } catch (cause) {
    const at = indices.indexOf(refusedIndex(cause))
    if (at < 0) throw cause
    return [...vcpu.getMsrs(indices.slice(0, at)), ...readable(vcpu, indices.slice(at + 1))]
  }
}

export function readMsrs(reader: StateReader): MsrValue[] {
  return reader.parts('msrs', MOST).map((msr) => [msr.integer('index', 0xffff_ffff), msr.uint64('value')])
}

/** An MSR that cannot be written is no difference where it has the saved value; else the kernel's refusal names it. */
export function restoreMsrs(vcpu: Vcpu, values: readonly MsrValue[]): void {
  try {
    vcpu.setMsrs(values)
  } catch (cause) {
    const refused = refusedIndex(cause)
    const at = values.findIndex(([index]) => index === refused)
    const [, value] = values[at] ?? []
    if (value === undefined || value !== vcpu.getMsrs([refused]).get(refused)) throw cause
    restoreMsrs(vcpu, values.slice(at + 1))
  }
}

/** Of the MSR at which the kernel has stopped; -1 for another failure. */
function refusedIndex(cause: unknown): number {
  if (!(cause instanceof KvmError) || cause.code !== 'ERR_KVM_MSR') return -1
  return Number(cause.operands['index'])
}
