import { type AddressRange, type MemoryLayout, memoryLayout } from '../arch/x86/memory-layout.js'
import type { CpuidEntry } from '../kvm/cpuid.js'
import { Kvm } from '../kvm/kvm.js'
import type { AddMemoryOptions } from '../kvm/memory-slots.js'
import type { DeviceNode } from '../platform/node.js'
import { checkBoolean, checkInteger, checkOneOf, checkOptions, invalidArgument } from '../validate.js'
import type { BootSource } from './boot-source.js'
import type { MachineDevice } from './host.js'
import { parseSize } from './size.js'

/** What lies where in the guest's physical address space. */
export interface MemoryMap {
  /** Where devices, the APICs and firmware live instead of RAM, below 4 GiB. Default: 3 GiB to 4 GiB. */
  hole?: AddressRange
  /** Ranges that the guest is told to leave alone, in RAM or outside. */
  reserved?: readonly AddressRange[]
  /** Memory beside RAM, as `vm.addMemory()` takes it; it is kept over resets. The guest's memory map does not name it. */
  regions?: readonly AddMemoryOptions[]
}

/** What a machine is made of. */
export interface MachineOptions {
  /** vCPUs, 1 (the default) to 16. */
  cpus?: number
  /** RAM in bytes, or a string like `512M`. Default: 256 MiB. */
  memory?: number | string
  /**
   * What RAM is made of, with transparent huge pages: `anonymous` memory (the default), which has them on most hosts; or a `memfd`,
   * which other processes can share and `freeze()` can copy, and has them where the administrator allows that
   * (`/sys/kernel/mm/transparent_hugepage/shmem_enabled` says `advise`).
   */
  backing?: 'memfd' | 'anonymous'
  /** What it boots, for example `linux({ kernel })`. */
  boot: BootSource
  /** Devices beside those that every machine has, for example `serial({ output: process.stdout })`. */
  devices?: readonly (MachineDevice | DeviceNode)[]
  /**
   * What a reset by the guest does: boot again (the default), with empty RAM; boot again with RAM as the guest left it (`warm`);
   * or end the run.
   */
  onReset?: 'boot' | 'warm' | 'end'
  /** What the guest's clock does while the machine is paused: it stands still (`stop`, the default), or goes on (`run`). */
  pausedClock?: 'stop' | 'run'
  /**
   * An access to a port or an address where nothing is ends the run: it rejects with `ERR_KVM_UNCLAIMED_ACCESS`. For guests
   * of one's own; kernels probe for what may not be there. Default: false.
   */
  strict?: boolean
  /** What lies where beside RAM from 0 on. */
  memoryMap?: MemoryMap
  /**
   * Edits what a vCPU tells the guest of itself, before it is set: returns the list to be set. x86_64. Default: all that KVM
   * supports, with the vCPUs as the cores of one processor.
   */
  cpuid?: (entries: CpuidEntry[], vcpu: number) => CpuidEntry[]
  /** Whether there is a timer that kernels find without being told of it: x86's i8254. Default: true. */
  timer?: boolean
  /** A PCI bus, also without devices on it. Default: only where one of the devices is put on it. */
  pci?: boolean
  /** Offers the guest to suspend to RAM (ACPI S3), which ends the run with the outcome `suspend`. Default: false. */
  suspend?: boolean
  /**
   * QEMU's firmware configuration device, which says how many CPUs and how much memory there is, and has files: `fw_cfg` among
   * the machine's devices. Default: only where firmware boots, which asks it.
   */
  fwCfg?: boolean
  /** KVM, opened; it stays open when the machine is closed. Default: the machine opens it. */
  kvm?: Kvm
}

export interface CheckedMachineOptions {
  cpus: number
  /** In bytes. */
  memory: number
  backing: 'memfd' | 'anonymous'
  layout: MemoryLayout
  reserved: readonly AddressRange[]
  regions: readonly AddMemoryOptions[]
  boot: BootSource
  devices: readonly (MachineDevice | DeviceNode)[]
  onReset: 'boot' | 'warm' | 'end'
  pausedClock: 'stop' | 'run'
  strict: boolean
  cpuid: MachineOptions['cpuid']
  timer: boolean
  pci: boolean
  suspend: boolean
  fwCfg: boolean
  kvm: Kvm | undefined
}

const MAX_CPUS = 16
const PAGE = 4096
const DEFAULT_MEMORY = 256 * 2 ** 20
const MIN_MEMORY = 2 ** 20
const KNOWN = [
  ...['cpus', 'memory', 'backing', 'boot', 'devices', 'onReset', 'pausedClock', 'strict'],
  ...['memoryMap', 'cpuid', 'timer', 'pci', 'suspend', 'fwCfg', 'kvm'],
]

export function checkMachineOptions(options: MachineOptions): CheckedMachineOptions {
  checkOptions('options', options, KNOWN)
  const { boot, devices = [], onReset = 'boot', cpuid, kvm } = options
  const memory = checkInteger('memory', parseSize('memory', options.memory ?? DEFAULT_MEMORY), MIN_MEMORY, 2 ** 46)
  if (memory % PAGE !== 0) throw invalidArgument('memory', memory, `a multiple of ${PAGE}`)
  if (typeof (boot as Partial<BootSource> | undefined)?.prepare !== 'function') {
    throw invalidArgument('boot', boot, 'a boot source, for example linux({ kernel })')
  }
  if (!Array.isArray(devices) || !devices.every(isDevice)) {
    throw invalidArgument('devices', devices, 'an array of machine devices, for example [serial({ output })]')
  }
  if (cpuid !== undefined && typeof cpuid !== 'function') throw invalidArgument('cpuid', cpuid, 'a function')
  if (kvm !== undefined && !(kvm instanceof Kvm)) throw invalidArgument('kvm', kvm, 'what Kvm.open() returns')
  return {
    cpus: checkInteger('cpus', options.cpus ?? 1, 1, MAX_CPUS),
    memory,
    backing: checkOneOf('backing', options.backing ?? 'anonymous', ['memfd', 'anonymous']),
    ...checkMemoryMap(memory, options.memoryMap ?? {}),
    boot,
    devices,
    onReset: checkOneOf('onReset', onReset, ['boot', 'warm', 'end']),
    pausedClock: checkOneOf('pausedClock', options.pausedClock ?? 'stop', ['stop', 'run']),
    strict: checkBoolean('strict', options.strict ?? false),
    cpuid,
    timer: checkBoolean('timer', options.timer ?? true),
    pci: checkBoolean('pci', options.pci ?? false),
    suspend: checkBoolean('suspend', options.suspend ?? false),
    fwCfg: checkBoolean('fwCfg', options.fwCfg ?? boot.asksFwCfg ?? false),
    kvm,
  }
}

function isDevice(device: Partial<MachineDevice & DeviceNode> | null | undefined): boolean {
  return typeof device?.attach === 'function' || (device?.device !== undefined && Array.isArray(device.resources))
}

function checkMemoryMap(
  memory: number,
  map: MemoryMap,
): Pick<CheckedMachineOptions, 'layout' | 'reserved' | 'regions'> {
  checkOptions('memoryMap', map, ['hole', 'reserved', 'regions'])
  const { hole, reserved = [], regions = [] } = map
  if (!Array.isArray(regions)) throw invalidArgument('memoryMap.regions', regions, 'an array of memory regions')
  const layout = memoryLayout(memory, {
    ...(hole === undefined ? {} : { hole }),
    reserved,
  })
  return { layout, reserved, regions }
}
