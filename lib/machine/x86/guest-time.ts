import { MSR } from '../../arch/x86/msrs.js'
import type { PitState } from '../../kvm/pit.js'
import type { Vcpu } from '../../kvm/vcpu.js'
import type { Vm } from '../../kvm/vm.js'

// KVM takes a TSC within a second of what it expects for an attempt to make vCPUs agree, and does not set it. This is far
// away from any expectation, whatever the frequency.
const FAR = 1n << 50n

/** Periodic modes of the i8254. */
const PERIODIC: readonly number[] = [2, 3]

const now = () => process.hrtime.bigint()

/** The machine's own clock: its devices' timers count on it. */
export interface StoppableClock {
  stop(): void
  start(): void
}

/** What a guest's clocks show, all at one moment. For each vCPU in their order. */
export interface GuestTime {
  tscs: readonly bigint[]
  /** When the local APICs' timers fire, by the time stamp counters; 0 for never. */
  deadlines: readonly bigint[]
  /** In nanoseconds. */
  kvmclock: bigint
  /** The i8254, where there is one. */
  pit: Pick<PitState, 'channels'> | undefined
}

/**
 * Stops a guest's time: the time stamp counters, kvmclock, the power management timer, the local APICs' deadlines and the
 * i8254's ticks. Every vCPU is paused. The first three are what a guest compares with each other, so nothing is done between
 * them.
 *
 * A KVM that does not let the counters be set (kvm_pvm) lets them go on.
 */
export function stopTime(vm: Vm, vcpus: readonly Vcpu[], clock: StoppableClock, i8254: boolean): GuestTime {
  const tscs = vcpus.map((vcpu) => readMsr(vcpu, MSR.IA32_TSC))
  const stopped = now()
  clock.stop()
  const late = now() - stopped
  const kvmclock = vm.getClock().clock - late
  const deadlines = vcpus.map((vcpu) => readMsr(vcpu, MSR.IA32_TSC_DEADLINE))
  return { tscs, deadlines, kvmclock, pit: i8254 ? vm.getPit2() : undefined }
}

/** Lets it go on from there, in this VM or in another one. */
export function startTime(vm: Vm, vcpus: readonly Vcpu[], clock: StoppableClock, time: GuestTime): void {
  const { tscs, deadlines, kvmclock, pit } = time
  // The kernel's timer went on, and would now deliver all ticks of the pause in a row. One shot that has gone is not
  // to come again.
  if (pit !== undefined && PERIODIC.includes(pit.channels[0]?.mode ?? 0)) vm.setPit2(pit)
  const [first, ...others] = vcpus
  first?.setMsrs([[MSR.IA32_TSC, BigInt.asUintN(64, (tscs[0] ?? 0n) + FAR)]])
  first?.setMsrs([[MSR.IA32_TSC, tscs[0] ?? 0n]])
  const started = now()
  clock.start()
  vm.setClock({ clock: kvmclock + now() - started })
  // KVM gives them what it gave the first one: they agree as before.
  for (const [index, vcpu] of others.entries()) vcpu.setMsrs([[MSR.IA32_TSC, tscs[index + 1] ?? 0n]])
  // The kernel's timers were set by the counters as they would have been.
  for (const [index, vcpu] of vcpus.entries()) {
    const deadline = deadlines[index] ?? 0n
    if (deadline !== 0n) vcpu.setMsrs([[MSR.IA32_TSC_DEADLINE, deadline]])
  }
}

/** The guest's watchdogs learn from kvmclock that it was paused, and take what they see of it for no stall. */
export function tellOfPause(vcpus: readonly Vcpu[]): void {
  for (const vcpu of vcpus) vcpu.kvmclockCtrl()
}

const readMsr = (vcpu: Vcpu, index: number) => vcpu.getMsrs([index]).get(index) ?? 0n
