import { hex } from '../../format.js'
import type { Kvm } from '../../kvm/kvm.js'
import type { Vm } from '../../kvm/vm.js'
import { restoreVm, saveVm, type X86VmState } from '../../snapshot/x86/vm.js'
import type { GuestTime } from './guest-time.js'

/**
 * What KVM holds of a PC. Its clocks show what they did when they were stopped, if they were: the kernel's went on. Where interrupts
 * lead is left out: the machine and its devices know.
 */
export function saveBoard(kvm: Kvm, vm: Vm, stopped: GuestTime | undefined): X86VmState {
  const state = { ...saveVm(kvm, vm), gsiRoutes: [] }
  if (stopped === undefined) return state
  const { tscs, deadlines, kvmclock } = stopped
  return {
    ...state,
    clock: { ...state.clock, clock: hex(kvmclock) },
    vcpus: state.vcpus.map((vcpu, index) => ({
      ...vcpu,
      tsc: hex(tscs[index] ?? 0n),
      ...(vcpu.lapic === undefined ? {} : { lapic: { ...vcpu.lapic, tscDeadline: hex(deadlines[index] ?? 0n) } }),
    })),
  }
}

/** Gives it to a PC that was made alike. What the clocks showed is returned: they are to go on from there. */
export function restoreBoard(vm: Vm, state: X86VmState, i8254: boolean): GuestTime {
  // Which checks all of it.
  restoreVm(vm, { ...state, gsiRoutes: [...vm.gsiRoutes] })
  return {
    tscs: state.vcpus.map(({ tsc }) => BigInt(tsc)),
    deadlines: state.vcpus.map(({ lapic }) => BigInt(lapic?.tscDeadline ?? 0)),
    kvmclock: BigInt(state.clock.clock),
    pit: i8254 ? vm.getPit2() : undefined,
  }
}
