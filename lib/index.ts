/**
 * Build virtual machine monitors in TypeScript, on Linux's KVM.
 *
 * @packageDocumentation
 */
export { KvmError, type KvmErrorCode, type KvmErrorDetails } from './errors.js'
export * from './bus/index.js'
export { MemoryAccessors } from './memory/accessors.js'
export type { DeviceMemory, MemoryRange } from './memory/device-memory.js'
export type { DmaMemory, WriteTracker } from './memory/dma-memory.js'
export { GuestMemory } from './memory/guest-memory.js'
export { plainMemory, type PlainRegion } from './memory/plain-memory.js'
export { MemoryRegion } from './memory/region.js'
export { CAPABILITIES, type CapabilityName } from './kvm/capabilities.js'
export type { HostCheck, HostFacts, KvmKind } from './host/types.js'
export type { CpuidEntry } from './kvm/cpuid.js'
export { describeExit } from './kvm/describe-exit.js'
export type { DirtyLog } from './kvm/dirty-log.js'
export type * from './kvm/exits.js'
export { type HostReport, probeHost } from './kvm/host.js'
export type { GsiRoute, Msi } from './kvm/gsi-routing.js'
export type { Ioeventfd, IoeventfdOptions } from './kvm/ioeventfd.js'
export type { Irqfd, IrqfdOptions } from './kvm/irqfd.js'
export type { IoapicState, IrqchipStates, PicState } from './kvm/irqchip.js'
export { HostMemory, type HostMemoryOptions } from './kvm/host-memory.js'
export { kick, type KickToken } from './kvm/kick.js'
export type { PitChannelState, PitState } from './kvm/pit.js'
export { Kvm } from './kvm/kvm.js'
export type { Debugregs, Dtable, Fpu, Regs, Segment, Sregs, VcpuEvents } from './kvm/registers.js'
export type { Patch } from './kvm/struct.js'
export type { RunOptions } from './kvm/execution.js'
export type { GuestDebug } from './kvm/guest-debug.js'
export type { MpState } from './kvm/mp-state.js'
export type { VcpuStats } from './kvm/stats.js'
export type { ExitHandler } from './kvm/thread.js'
export type {
  CounterOptions,
  FastAddress,
  FastRange,
  IndexedAddress,
  IndexedRead,
  LatchedCounter,
  LatchedRead,
  PostedListener,
  PostedWrites,
} from './kvm/fast-access.js'
export { Vcpu } from './kvm/vcpu.js'
export type { AddMemoryOptions } from './kvm/memory-slots.js'
export type { ClockData } from './kvm/vm-clock.js'
export { Vm } from './kvm/vm.js'
