import { checkBoolean, checkInteger, checkOptions } from '../../validate.js'
import { binding } from '../binding.js'
import type { Calls } from '../calls.js'
import { kvm_clock_data, kvm_irq_level, KVM_PIT_SPEAKER_DUMMY, kvm_pit_config } from '../generated/common.js'
import { kvm_pit_state2, kvm_reinject_control } from '../generated/x86.js'
import { type IrqchipStates, readIrqchip, writeIrqchip } from '../irqchip.js'
import { checkPageAddress } from '../memory-slots.js'
import type { PitState } from '../pit.js'
import type { Patch } from '../struct.js'
import type { VmInside } from '../vm-inside.js'
import type { ClockData } from '../vm-clock.js'
import { type HypervEventfd, openHypervEventfd } from './hyperv.js'
import { type MemoryEncryptionCalls, memoryEncryptionCalls } from './memory-encryption.js'
import { type MsrFilter, setMsrFilter } from './msr-filter.js'
import { type PmuEventFilter, setPmuEventFilter } from './pmu-filter.js'
import { getTscKhz, setTscKhz } from './tsc.js'
import { type XenVmCalls, xenVmCalls } from './xen.js'

/** What a VM has on x86_64 alone. */
export interface X86VmCalls extends XenVmCalls, MemoryEncryptionCalls {
  /** KVM_CREATE_PIT2: an i8254 timer in the kernel, after createIrqchip(). */
  createPit2(options?: { speakerDummy?: boolean }): void
  /** KVM_GET_PIT2: the in-kernel i8254. */
  getPit2(): PitState
  /** KVM_SET_PIT2; members that are left out keep their value, and each channel counts from its start. */
  setPit2(state: Patch<PitState>): void
  /** KVM_GET_IRQCHIP: one chip of the in-kernel irqchip. */
  getIrqchip<Name extends keyof IrqchipStates>(chip: Name): IrqchipStates[Name]
  /** KVM_SET_IRQCHIP; members that are left out keep their value. */
  setIrqchip<Name extends keyof IrqchipStates>(chip: Name, state: Patch<IrqchipStates[Name]>): void
  /**
   * KVM_SET_TSS_ADDR: three pages below 4 GiB that Intel processors need. The first createVcpu() sets a default when
   * this was not called.
   */
  setTssAddr(address: number): void
  /**
   * KVM_SET_IDENTITY_MAP_ADDR: one page below 4 GiB that Intel processors need, before any vCPU. The first
   * createVcpu() sets a default when this was not called.
   */
  setIdentityMapAddr(address: number): void
  /** KVM_IRQ_LINE_STATUS: as irqLine(); returns how many vCPUs it reached, 0 when it was pending already, -1 when it was masked. */
  irqLineStatus(gsi: number, level: boolean): number
  /** KVM_SET_BOOT_CPU_ID: which vCPU is the boot processor, before any is created; 0 unless set. */
  setBootCpuId(id: number): void
  /** KVM_GET_NR_MMU_PAGES: how many pages KVM uses at most for shadow page tables. */
  getNrMmuPages(): number
  /** KVM_SET_NR_MMU_PAGES. */
  setNrMmuPages(pages: number): void
  /** KVM_REINJECT_CONTROL: whether ticks of the in-kernel i8254 that a guest has missed are made up for. */
  reinjectControl(reinject: boolean): void
  /** KVM_GET_TSC_KHZ: of vCPUs that will be created. */
  getTscKhz(): number
  /** KVM_SET_TSC_KHZ: of vCPUs that will be created. Needs KVM_CAP_VM_TSC_CONTROL. */
  setTscKhz(khz: number): void
  /**
   * KVM_X86_SET_MSR_FILTER: which MSRs guests may access; the others raise #GP, or are `x86-rdmsr` and `x86-wrmsr` exits
   * (KVM_CAP_X86_USER_SPACE_MSR with KVM_MSR_EXIT_REASON_FILTER). Replaces the filter; one without ranges lets everything through.
   */
  x86SetMsrFilter(filter: MsrFilter): void
  /** KVM_SET_PMU_EVENT_FILTER: which events guests may count. Replaces the filter. */
  setPmuEventFilter(filter: PmuEventFilter): void
  /**
   * KVM_HYPERV_EVENTFD: the guest's HvSignalEvent hypercall for that connection does not exit; `listener` is called on the event
   * loop with the number of calls since it was called last. Needs KVM_CAP_HYPERV_EVENTFD.
   */
  hypervEventfd(connection: number, listener: (count: number) => void): HypervEventfd
  /** KVM_GET_CLOCK. */
  getClock(): ClockData
  /** KVM_SET_CLOCK; members that are left out are 0. */
  setClock(clock: Patch<ClockData>): void
}

export const x86VmCalls: Calls<X86VmCalls, VmInside> = {
  ...xenVmCalls,
  ...memoryEncryptionCalls,

  irqLineStatus({ fd }, gsi, level) {
    const irq = checkInteger('gsi', gsi, 0, 0xffff_ffff)
    const bytes = kvm_irq_level.bytes({ irq, level: checkBoolean('level', level) ? 1 : 0 })
    fd.ioctl('KVM_IRQ_LINE_STATUS', bytes, { gsi, level })
    return kvm_irq_level.decode(new DataView(bytes.buffer)).status
  },
  setBootCpuId({ fd }, id) {
    fd.ioctl('KVM_SET_BOOT_CPU_ID', checkInteger('id', id, 0, 0xffff_ffff), { id })
  },
  getNrMmuPages: ({ fd }) => fd.ioctl('KVM_GET_NR_MMU_PAGES'),
  setNrMmuPages({ fd }, pages) {
    fd.ioctl('KVM_SET_NR_MMU_PAGES', checkInteger('pages', pages, 0, 0xffff_ffff), { pages })
  },
  reinjectControl({ fd }, reinject) {
    const pit_reinject = checkBoolean('reinject', reinject) ? 1 : 0
    fd.set('KVM_REINJECT_CONTROL', kvm_reinject_control, { pit_reinject }, { reinject })
  },
  getTscKhz: ({ fd }) => getTscKhz(fd),
  setTscKhz({ fd }, khz) {
    setTscKhz(fd, khz)
  },
  x86SetMsrFilter({ fd }, filter) {
    setMsrFilter(fd, filter)
  },
  setPmuEventFilter({ fd }, filter) {
    setPmuEventFilter(fd, filter)
  },
  hypervEventfd: openHypervEventfd,
  createPit2({ fd }, options = {}) {
    const { speakerDummy } = checkOptions('options', options, ['speakerDummy'])
    const dummy = checkBoolean('speakerDummy', speakerDummy ?? false)
    fd.set('KVM_CREATE_PIT2', kvm_pit_config, { flags: dummy ? KVM_PIT_SPEAKER_DUMMY : 0 })
  },
  getPit2: ({ fd }) => fd.get('KVM_GET_PIT2', kvm_pit_state2),
  setPit2({ fd }, state) {
    fd.update('KVM_GET_PIT2', 'KVM_SET_PIT2', kvm_pit_state2, state)
  },
  getIrqchip: ({ fd }, chip) => readIrqchip(fd, chip),
  setIrqchip({ fd }, chip, state) {
    writeIrqchip(fd, chip, state)
  },
  setTssAddr({ fd, addressesSet }, address) {
    checkPageAddress('address', address, 2 ** 32 - 3 * binding.pageSize)
    fd.ioctl('KVM_SET_TSS_ADDR', address, { address })
    addressesSet.tss = true
  },
  setIdentityMapAddr({ fd, addressesSet }, address) {
    checkPageAddress('address', address, 2 ** 32 - binding.pageSize)
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setBigUint64(0, BigInt(address), true)
    fd.ioctl('KVM_SET_IDENTITY_MAP_ADDR', bytes, { address })
    addressesSet.identityMap = true
  },
  getClock: ({ fd }) => fd.get('KVM_GET_CLOCK', kvm_clock_data),
  setClock({ fd }, clock) {
    fd.set('KVM_SET_CLOCK', kvm_clock_data, clock)
  },
}

// Where the pages go that Intel processors need for real mode: below the firmware, where nothing else lives.
const DEFAULT_IDENTITY_MAP_ADDRESS = 0xfffb_c000
const DEFAULT_TSS_ADDRESS = 0xfffb_d000

/** Before a vCPU is created: places what was not placed. */
export function placeIntelPages(vm: VmInside, isFirst: boolean): void {
  if (!vm.addressesSet.identityMap && isFirst) x86VmCalls.setIdentityMapAddr(vm, DEFAULT_IDENTITY_MAP_ADDRESS)
  if (!vm.addressesSet.tss) x86VmCalls.setTssAddr(vm, DEFAULT_TSS_ADDRESS)
  vm.addressesSet.identityMap = true
}
