import { kvm_clock_data } from '../../kvm/generated/common.js'
import type { GsiRoute } from '../../kvm/gsi-route.js'
import type { Kvm } from '../../kvm/kvm.js'
import type { Vcpu } from '../../kvm/vcpu.js'
import type { ClockData } from '../../kvm/vm-clock.js'
import type { Vm } from '../../kvm/vm.js'
import { StateReader } from '../../state.js'
import { readGsiRoutes, restoreGsiRoutes } from '../gsi-routes.js'
import { onThisHost } from '../on-this-host.js'
import { readStruct, type Saved, saved } from '../saved.js'
import {
  type Irqchips,
  type Pit,
  readIrqchips,
  readPit,
  restoreIrqchips,
  restorePit,
  saveIrqchips,
  savePit,
} from './irqchip.js'
import { readCounters, writeCounters } from './tsc.js'
import { readVcpu, saveVcpu, vcpuName, type VcpuRestore, type X86VcpuState } from './vcpu.js'

const VERSION = 1

/** All that KVM knows of a VM and its vCPUs, but for memory, as data that JSON can carry. x86_64. */
export interface X86VmState {
  version: number
  architecture: 'x86_64'
  vcpus: X86VcpuState[]
  /** Absent for a VM without an interrupt controller in the kernel, or with local APICs alone. */
  irqchips?: Saved<Irqchips>
  /** Absent for a VM without an i8254 in the kernel. */
  pit?: Saved<Pit>
  gsiRoutes: GsiRoute[]
  /** kvmclock, and the host's time of day and counter at the same moment as far as `flags` has them. */
  clock: Saved<ClockData>
}

/** Reads all of a VM, whose vCPUs must be outside the guest: `await vm.pause()`. */
export function saveVm(kvm: Kvm, vm: Vm): X86VmState {
  const clock = vm.getClock()
  const counters = readCounters(vcpusOf(vm))
  const vcpus = vcpusOf(vm).map((vcpu, at) => ({ ...saveVcpu(kvm, vcpu), tsc: saved(counters[at] ?? 0n) }))
  const irqchips = saveIrqchips(vm)
  const pit = savePit(vm)
  return {
    version: VERSION,
    architecture: 'x86_64',
    vcpus,
    ...(irqchips === undefined ? {} : { irqchips }),
    ...(pit === undefined ? {} : { pit }),
    gsiRoutes: [...vm.gsiRoutes],
    clock: saved(clock),
  }
}

/**
 * Gives a VM a state that `saveVm()` has returned. The VM has been made alike: the same vCPUs and in-kernel devices, and its memory filled. Throws
 * `ERR_KVM_INVALID_STATE`, and has changed nothing, for a state that cannot be, or not be this VM's; `ERR_KVM_SNAPSHOT` for one
 * that this host does not take over: the VM is of no use then. The guest's clocks go on from where they stood.
 */
export function restoreVm(vm: Vm, state: X86VmState): void {
  const reader = new StateReader('the VM', state, VERSION)
  reader.oneOf('architecture', ['x86_64'])
  const vcpus = readVcpus(vm, reader)
  const irqchips = readIrqchips(reader)
  const pit = readPit(reader)
  const gsiRoutes = readGsiRoutes(reader)
  const { clock } = readStruct(kvm_clock_data, reader.part('clock'))

  for (const { vcpu, registers } of vcpus) onThisHost(vcpuName(vcpu), registers)
  onThisHost('the VM', [
    // After the local APICs: what is pending here may go to them.
    ['interrupt controllers', () => restoreIrqchips(vm, irqchips)],
    ['i8254', () => restorePit(vm, pit)],
    ['GSI routes', () => restoreGsiRoutes(vm, gsiRoutes)],
    // Time, as late as possible. All counters at once, so that they go on alike.
    ['clock', () => vm.setClock({ clock })],
    [
      'TSC',
      () =>
        writeCounters(
          vcpus.map(({ vcpu }) => vcpu),
          vcpus.map(({ tsc }) => tsc),
        ),
    ],
  ])
  for (const { vcpu, timers } of vcpus) onThisHost(vcpuName(vcpu), timers)
}

/** By their numbers: a VM may have been given them in any order. */
const vcpusOf = (vm: Vm): Vcpu[] => [...vm.vcpus].sort((one, other) => one.id - other.id)

/** Each vCPU with its state: none may be left over, on either side. */
function readVcpus(vm: Vm, reader: StateReader): VcpuRestore[] {
  const vcpus = vcpusOf(vm)
  const states = reader.array('vcpus', vcpus.length)
  return vcpus.map((vcpu, at) => readVcpu(vcpu, states[at]))
}
