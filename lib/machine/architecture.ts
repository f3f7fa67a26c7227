import type { AddressRange, MemoryLayout } from '../arch/x86/memory-layout.js'
import type { MachineEffects } from '../bus/device-context.js'
import type { BootResult } from '../boot/types.js'
import type { Placed } from '../memory/placed.js'
import type { InterruptControllersState } from '../inspect/interrupts.js'
import type { VcpuRemains } from '../inspect/post-mortem.js'
import type { CpuidEntry } from '../kvm/cpuid.js'
import type { Kvm } from '../kvm/kvm.js'
import type { Vcpu } from '../kvm/vcpu.js'
import type { Vm } from '../kvm/vm.js'
import type { PciBus } from '../pci/pci-bus.js'
import type { DeviceNode, PlacedHardware } from '../platform/node.js'
import type { MachineDevice } from './host.js'

/** What a board is built for. */
export interface BoardOptions {
  cpus: number
  layout: MemoryLayout
  /** Whether there is the timer that kernels find without being told of it. */
  timer: boolean
  /** Edits what the guest is told of its processors. */
  cpuid: ((entries: CpuidEntry[], vcpu: number) => CpuidEntry[]) | undefined
  /** Whether the guest is told that it can sleep with its memory kept. */
  suspend: boolean
  /** Whether there is QEMU's firmware configuration device. */
  fwCfg: boolean
  /** Whether its vCPUs get all from a saved state, and never begin anew. */
  restored: boolean
}

/** Where PCI is, in a machine that has it. */
export interface PciPlaces {
  /** Where BARs may be. */
  readonly windows: { ports: AddressRange; memory: AddressRange }
  /** Configuration space as memory: a guest's memory map says that it is no RAM. */
  readonly ecam: AddressRange
  /** The interrupt line of the functions in a slot. */
  readonly gsi: (slot: number) => number
  /** By what a guest reaches configuration space. */
  readonly nodes: (bus: PciBus, effects: MachineEffects) => readonly DeviceNode[]
}

/** What of a machine depends on the processor's architecture: all that is not a bus, a device, RAM or a life. */
export interface Board {
  /** The devices that every machine of the kind has. */
  readonly devices: MachineDevice
  readonly pci: PciPlaces
  /** How many interrupt lines there are, from 0 on. */
  readonly interruptLines: number
  /** Where the serial line with that number, from 1 on, is by custom, and what tables call it. */
  serialLine(number: number): Pick<DeviceNode, 'resources' | 'acpi'>
  /** Creates the vCPUs, with all that firmware would have set up in them. */
  createVcpus(): Vcpu[]
  /** Writes the tables that tell the guest what there is. */
  describe(nodes: readonly PlacedHardware[]): { rsdp: number; placed: Placed[] }
  /** Leaves the machine as firmware leaves it, with the boot processor at its entry. Returns what it has placed for that. */
  enter(boot: BootResult, nodes: readonly PlacedHardware[]): Placed[]
  /** Notes what {@link reset} is to bring back: the state in which a run begins. */
  remember(): void
  /** The processors and interrupt controllers as they were then. */
  reset(): void
  /** Stops the guest's clocks, all at one moment with the machine's own; what is returned lets them go on. Every vCPU is paused. */
  stopTime(clock: { stop(): void; start(): void }): () => void
  /** All that the kernel holds of processors, interrupt controllers and time, as data that JSON can carry. Every vCPU is paused. */
  save(): object
  /** Gives that to a machine that was made alike and has not run. What is returned lets its time go on. */
  restore(state: object, clock: { stop(): void; start(): void }): () => void
  /** Tells the guest that it was paused, so that it takes that for no stall. Every vCPU is paused. */
  tellOfPause(): void
  /** Whether nothing can wake the guest. Every vCPU is paused. */
  haltedForGood(): boolean
  /** Returns whether the guest's operating system listens. */
  pressPowerButton(): boolean
  /** Where a vCPU is; undefined where that cannot be read. */
  instructionPointer(vcpu: Vcpu): bigint | undefined
  /** For a post-mortem. */
  readVcpu(vcpu: Vcpu): VcpuRemains
  readControllers(): InterruptControllersState
}

/** A kind of processor, and the machine that is customary around it. */
export interface Architecture {
  /** How many I/O ports there are. */
  readonly ports: number
  /** How many guest physical addresses there are. */
  readonly addresses: number
  /** Creates what must be there before any vCPU. */
  board(kvm: Kvm, vm: Vm, options: BoardOptions): Board
}
