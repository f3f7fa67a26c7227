import { KvmError } from '../../errors.js'
import type { Vcpu } from '../../kvm/vcpu.js'
import type { Vm } from '../../kvm/vm.js'

const CHIPS = ['pic-master', 'pic-slave', 'ioapic'] as const

/**
 * Notes how processors and interrupt controllers are, and returns what makes them so again. What a guest's CPUID says, and
 * where interrupts lead, KVM keeps by itself. `msrs`: the MSRs that make up a vCPU's state on this host.
 */
export function resetState(vm: Vm, vcpus: readonly Vcpu[], msrs: readonly number[], timer: boolean): () => void {
  const chips = CHIPS.map((chip) => [chip, vm.getIrqchip(chip)] as const)
  const pit = timer ? vm.getPit2() : undefined
  const hasNestedState = vm.check('KVM_CAP_NESTED_STATE') !== 0
  const restore = vcpus.map((vcpu) => vcpuState(vcpu, msrs, hasNestedState))
  return () => {
    for (const restoreVcpu of restore) restoreVcpu()
    for (const [chip, state] of chips) vm.setIrqchip(chip, state)
    if (pit !== undefined) vm.setPit2(pit)
  }
}

function vcpuState(vcpu: Vcpu, indices: readonly number[], hasNestedState: boolean): () => void {
  const regs = vcpu.getRegs()
  const sregs = vcpu.getSregs()
  const fpu = vcpu.getFpu()
  const [xcrs, xsave] = [vcpu.getXcrs(), vcpu.getXsave()]
  const nested = hasNestedState ? vcpu.getNestedState() : undefined
  const debug = vcpu.getDebugregs()
  const events = vcpu.getVcpuEvents()
  const lapic = vcpu.getLapic()
  const mpState = vcpu.getMpState()
  const msrs = readableMsrs(vcpu, indices)
  return () => {
    // In the order in which QEMU does: the APIC's mode is in the special registers, and its timer in an MSR.
    vcpu.setSregs(sregs)
    vcpu.setXcrs(xcrs)
    // Both: what the area calls unused KVM leaves as it was, where getFpu() finds it.
    vcpu.setFpu(fpu)
    vcpu.setXsave(xsave)
    setWritableMsrs(vcpu, msrs)
    if (nested !== undefined) vcpu.setNestedState(nested)
    vcpu.setMpState(mpState)
    vcpu.setLapic(lapic)
    vcpu.setRegs(regs)
    vcpu.setDebugregs(debug)
    vcpu.setVcpuEvents(events)
  }
}

/** The list has MSRs that not every vCPU has: their values are left out. */
function readableMsrs(vcpu: Vcpu, indices: readonly number[]): [number, bigint][] {
  const values: [number, bigint][] = []
  eachAllowed(indices, (rest) => {
    values.push(...vcpu.getMsrs(rest))
  })
  return values
}

/** What can only be read has not changed. */
function setWritableMsrs(vcpu: Vcpu, values: readonly [number, bigint][]): void {
  const indices = values.map(([index]) => index)
  eachAllowed(indices, (rest) => {
    vcpu.setMsrs(values.filter(([index]) => rest.includes(index)))
  })
}

/** Calls for all of them; where KVM refuses one, for those before it and those behind it. */
function eachAllowed(indices: readonly number[], call: (indices: readonly number[]) => void): void {
  for (let rest = indices; rest.length > 0;) {
    try {
      call(rest)
      return
    } catch (error) {
      if (!(error instanceof KvmError) || error.code !== 'ERR_KVM_MSR') throw error
      const refused = rest.indexOf(Number(error.operands['index']))
      if (refused < 0) throw error
      if (refused > 0) call(rest.slice(0, refused))
      rest = rest.slice(refused + 1)
    }
  }
}
