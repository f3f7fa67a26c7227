import { MSR } from 'node-kvm/arch/x86'
import { restoreVm, saveVm, type X86VmState } from 'node-kvm/snapshot'

import { type Machine, machine, type MachineOptions, SIZE } from './machine.js'

/** As it comes out of a file. */
export const throughJson = <T>(state: T): T => JSON.parse(JSON.stringify(state)) as T

/** Without what goes on while no guest runs: the clocks, and the time that the thread has taken. */
export function withoutTime({ clock: _, vcpus, ...state }: X86VmState): object {
  const withoutRuntime = (msrs: X86VmState['vcpus'][number]['msrs']) =>
    msrs.filter(({ index }) => index !== MSR.HV_X64_MSR_VP_RUNTIME)
  return { ...state, vcpus: vcpus.map(({ tsc: _, msrs, ...vcpu }) => ({ ...vcpu, msrs: withoutRuntime(msrs) })) }
}

/** An untouched machine like `source`: the same parts, and its memory. */
export function blankLike(source: Machine, options: MachineOptions = {}): Machine {
  const made = machine(new Uint8Array(0), options)
  for (const { id } of source.vm.vcpus) if (id !== 0) made.vm.createVcpu(id)
  made.vm.memory.write(0, source.vm.memory.read(0, options.size ?? SIZE))
  return made
}

/** Another machine, which goes on where `source` is: saved, through JSON, and restored. `source` stays. */
export function continued(source: Machine, options: MachineOptions = {}): Machine {
  const state = throughJson(saveVm(source.kvm, source.vm))
  const made = blankLike(source, options)
  restoreVm(made.vm, state)
  return made
}
