import * as L from '../../arch/x86/cpuid-leaves.js'
import { CpuidTable } from '../../arch/x86/cpuid-table.js'
import type { CpuidEntry } from '../../kvm/cpuid.js'
import { hostProcessor } from './host-processor.js'

/** What a vCPU is to be told of its place among the others: one package of `count` cores, one thread each. */
export interface CpuPlace {
  /** Its local APIC id. */
  id: number
  /** vCPUs of the machine. */
  count: number
}

/**
 * The processor of a machine, from what the host supports: the same one, in a machine of its own. `tscDeadline`: whether the in-kernel
 * local APIC has a TSC deadline timer (KVM_CAP_TSC_DEADLINE_TIMER).
 */
export function machineCpuid(supported: readonly CpuidEntry[], tscDeadline: boolean): CpuidTable {
  const host = new CpuidTable(supported).show('hypervisor')
  const table = tscDeadline ? host.show('tsc_deadline_timer') : host.hide('tsc_deadline_timer')
  // KVM leaves the name empty. No virtual PMU: its counters would be the host's.
  const named = table.brand === '' ? table.withBrand(hostProcessor()) : table
  const pmu = L.LEAF_PERFORMANCE_MONITORING
  return named.leaf(pmu) === undefined ? named : named.set(pmu, 0, { eax: 0, ebx: 0, ecx: 0, edx: 0 })
}

/** The CPUID of one of its vCPUs. */
export function vcpuCpuid(table: CpuidTable, { id, count }: CpuPlace): CpuidEntry[] {
  return table.topology({ apicId: id, cores: count }).entries()
}
