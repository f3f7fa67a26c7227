import type { Cell } from '../bus/cells.js'
import { GuestMemory } from '../memory/guest-memory.js'
import type { MemoryRegion } from '../memory/region.js'
import { checkBoolean, checkInteger, checkOptions } from '../validate.js'
import { binding } from './binding.js'
import type { BusAddress } from './bus-address.js'
import type { CapabilityName } from './capabilities.js'
import type { DirtyLog } from './dirty-log.js'
import { type Fd, systemFailure } from './fd.js'
import { type GsiRoute, type Msi, signalMsi, writeGsiRouting } from './gsi-routing.js'
import { type Ioeventfd, type IoeventfdOptions, openIoeventfd } from './ioeventfd.js'
import { type IrqchipStates, readIrqchip, writeIrqchip } from './irqchip.js'
import { type Irqfd, type IrqfdOptions, openIrqfd } from './irqfd.js'
import { type AddMemoryOptions, checkPageAddress, MemorySlots } from './memory-slots.js'
import type { PitState } from './pit.js'
import { type CellMapping, type PostedListener, RegisterPage } from './register-page.js'
import { KVM_PIT_SPEAKER_DUMMY, kvm_clock_data, kvm_irq_level, kvm_pit_config } from './generated/common.js'
import { kvm_pit_state2 } from './generated/x86.js'
import type { Patch } from './struct.js'
import { Vcpu } from './vcpu.js'
import type { ClockData } from './vm-clock.js'

// Where the pages go that Intel processors need for real mode: below the firmware, where nothing else lives.
const DEFAULT_IDENTITY_MAP_ADDRESS = 0xfffb_c000
const DEFAULT_TSS_ADDRESS = 0xfffb_d000

/** A virtual machine: memory, vCPUs, and in-kernel devices. */
export class Vm {
  /** The guest physical address space: every region that addMemory() made. */
  readonly memory: GuestMemory
  readonly #fd: Fd
  readonly #registers: RegisterPage
  readonly #vcpus = new Set<Vcpu>()
  readonly #eventfds = new Set<Ioeventfd | Irqfd>()
  readonly #slots: MemorySlots
  #tssAddressSet = false
  #identityMapAddressSet = false

  /** @internal */
  constructor(fd: Fd) {
    this.#fd = fd
    this.#registers = new RegisterPage(fd)
    this.memory = new GuestMemory()
    this.#slots = new MemorySlots(fd, this.memory)
  }

  get closed(): boolean {
    return this.#fd.closed
  }

  /** The vCPUs that have been created and not closed. */
  get vcpus(): readonly Vcpu[] {
    return [...this.#vcpus]
  }

  /** KVM_CHECK_EXTENSION on the VM: 0 when this VM lacks the capability; else 1, a count or a bit mask. */
  check(capability: CapabilityName): number {
    return this.#fd.checkExtension(capability)
  }

  /**
   * Puts memory at a guest physical address (KVM API, KVM_SET_USER_MEMORY_REGION).
   * Throws `ERR_KVM_MEMORY_OVERLAP` when another region is there.
   */
  addMemory(options: AddMemoryOptions): MemoryRegion {
    return this.#slots.add(options)
  }

  /** Takes a region out of the VM. Memory that addMemory() allocated is given back, and its views have length 0 then. */
  removeMemory(region: MemoryRegion): void {
    this.#slots.remove(region)
  }

  /**
   * KVM_GET_DIRTY_LOG: the pages of a region written since the last call, and perhaps some that were only read for the
   * first time. The region needs `logDirtyPages`.
   */
  getDirtyLog(region: MemoryRegion): DirtyLog {
    return this.#slots.getDirtyLog(region)
  }

  /** KVM_CREATE_IRQCHIP: an interrupt controller in the kernel (x86: PICs, I/O APIC, local APICs). Before any vCPU. */
  createIrqchip(): void {
    this.#fd.ioctl('KVM_CREATE_IRQCHIP')
  }

  /** KVM_CREATE_PIT2: an i8254 timer in the kernel, after createIrqchip(). x86_64. */
  createPit2(options: { speakerDummy?: boolean } = {}): void {
    const { speakerDummy } = checkOptions('options', options, ['speakerDummy'])
    const dummy = checkBoolean('speakerDummy', speakerDummy ?? false)
    this.#fd.set('KVM_CREATE_PIT2', kvm_pit_config, { flags: dummy ? KVM_PIT_SPEAKER_DUMMY : 0 })
  }

  /** KVM_GET_PIT2: the in-kernel i8254. x86_64. */
  getPit2(): PitState {
    return this.#fd.get('KVM_GET_PIT2', kvm_pit_state2)
  }

  /** KVM_SET_PIT2; members that are left out keep their value, and each channel counts from its start. x86_64. */
  setPit2(state: Patch<PitState>): void {
    this.#fd.update('KVM_GET_PIT2', 'KVM_SET_PIT2', kvm_pit_state2, state)
  }

  /** KVM_GET_IRQCHIP: one chip of the in-kernel irqchip. x86_64. */
  getIrqchip<Name extends keyof IrqchipStates>(chip: Name): IrqchipStates[Name] {
    return readIrqchip(this.#fd, chip)
  }

  /** KVM_SET_IRQCHIP; members that are left out keep their value. x86_64. */
  setIrqchip<Name extends keyof IrqchipStates>(chip: Name, state: Patch<IrqchipStates[Name]>): void {
    writeIrqchip(this.#fd, chip, state)
  }

  /**
   * KVM_SET_TSS_ADDR: three pages below 4 GiB that Intel processors need. The first createVcpu() sets a default when
   * this was not called. x86_64.
   */
  setTssAddr(address: number): void {
    checkPageAddress('address', address, 2 ** 32 - 3 * binding.pageSize)
    this.#fd.ioctl('KVM_SET_TSS_ADDR', address, { address })
    this.#tssAddressSet = true
  }

  /**
   * KVM_SET_IDENTITY_MAP_ADDR: one page below 4 GiB that Intel processors need, before any vCPU. The first
   * createVcpu() sets a default when this was not called. x86_64.
   */
  setIdentityMapAddr(address: number): void {
    checkPageAddress('address', address, 2 ** 32 - binding.pageSize)
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setBigUint64(0, BigInt(address), true)
    this.#fd.ioctl('KVM_SET_IDENTITY_MAP_ADDR', bytes, { address })
    this.#identityMapAddressSet = true
  }

  /** KVM_CREATE_VCPU. Throws `ERR_KVM_VCPU_EXISTS` and `ERR_KVM_VCPU_LIMIT`. */
  createVcpu(id: number): Vcpu {
    const number = checkInteger('id', id, 0, 0xffff_ffff)
    if (process.arch === 'x64') this.#setDefaultAddresses()
    const fd = this.#fd.create('KVM_CREATE_VCPU', number, `vCPU ${number}`, { id: number })
    try {
      const syncable = this.check('KVM_CAP_SYNC_REGS')
      const vcpu = new Vcpu(number, fd, syncable, this.#registers.listeners, (closed) => this.#vcpus.delete(closed))
      this.#vcpus.add(vcpu)
      return vcpu
    } catch (cause) {
      fd.close()
      throw systemFailure(`cannot set up vCPU ${number}`, cause)
    }
  }

  /** Resolves when every vCPU is outside the guest with its pending access completed; see {@link Vcpu.pause}. */
  async pause(): Promise<void> {
    await Promise.all(this.vcpus.map((vcpu) => vcpu.pause()))
  }

  /** Lets every paused vCPU run on. */
  resume(): void {
    for (const vcpu of this.#vcpus) vcpu.resume()
  }

  /** Stops every vCPU that has a thread. Resolves when all have ended. */
  async stop(): Promise<void> {
    await Promise.all(this.vcpus.map((vcpu) => vcpu.stop()))
  }

  /**
   * Lets vCPU threads answer accesses without JavaScript, as each cell says (`ValueCell`, `CounterCell`, `BankCell`): `at` is
   * where their offset 0 is. A write that a cell posts goes into a bounded ring, from which `listener` gets it a moment later,
   * in order; without one it goes nowhere. All other accesses exit as usual. A full ring makes the guest wait; nothing is
   * lost. Has no effect on run(). Throws `ERR_KVM_BUS_OVERLAP` where a cell has been mapped, and `ERR_KVM_CELL_LIMIT`.
   */
  mapCells(at: BusAddress, cells: readonly Cell[], listener?: PostedListener): CellMapping {
    return this.#registers.map(at, cells, listener)
  }

  /** KVM_IRQ_LINE: sets an interrupt line of the in-kernel controller. */
  irqLine(gsi: number, level: boolean): void {
    const irq = checkInteger('gsi', gsi, 0, 0xffff_ffff)
    const value = { irq, level: checkBoolean('level', level) ? 1 : 0 }
    this.#fd.set('KVM_IRQ_LINE', kvm_irq_level, value, { gsi, level })
  }

  /**
   * KVM_IOEVENTFD: a doorbell. The guest's write to that port or address does not exit; `listener` is called on the
   * event loop with the number of writes since it was called last. It does not keep the process alive.
   */
  ioeventfd(options: IoeventfdOptions, listener: (count: number) => void): Ioeventfd {
    const doorbell = openIoeventfd(this.#fd, options, listener, (closed) => this.#eventfds.delete(closed))
    this.#eventfds.add(doorbell)
    return doorbell
  }

  /** KVM_IRQFD: an eventfd that raises an interrupt line, edge-triggered unless `resample` is given. */
  irqfd(gsi: number, options: IrqfdOptions = {}): Irqfd {
    const line = openIrqfd(this.#fd, gsi, options, (closed) => this.#eventfds.delete(closed))
    this.#eventfds.add(line)
    return line
  }

  /** KVM_SET_GSI_ROUTING: where each GSI leads. Replaces the whole table, the default one of createIrqchip() too. */
  setGsiRouting(routes: readonly GsiRoute[]): void {
    writeGsiRouting(this.#fd, routes)
  }

  /** KVM_SIGNAL_MSI: sends a message-signalled interrupt. Returns whether the guest took it. */
  signalMsi(msi: Msi): boolean {
    return signalMsi(this.#fd, msi)
  }

  /** KVM_GET_CLOCK. x86_64. */
  getClock(): ClockData {
    return this.#fd.get('KVM_GET_CLOCK', kvm_clock_data)
  }

  /** KVM_SET_CLOCK; members that are left out are 0. x86_64. */
  setClock(clock: Patch<ClockData>): void {
    this.#fd.set('KVM_SET_CLOCK', kvm_clock_data, clock)
  }

  /** Closes the VM, its vCPUs, and the memory that addMemory() allocated. Closing again does nothing. */
  close(): void {
    if (this.closed) return
    for (const vcpu of this.#vcpus) vcpu.close()
    this.#registers.close()
    this.#fd.close()
    // After it: nothing need be taken out of a VM that has gone.
    for (const eventfd of this.#eventfds) eventfd.close()
    this.#slots.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #setDefaultAddresses(): void {
    if (!this.#identityMapAddressSet && this.#vcpus.size === 0) this.setIdentityMapAddr(DEFAULT_IDENTITY_MAP_ADDRESS)
    if (!this.#tssAddressSet) this.setTssAddr(DEFAULT_TSS_ADDRESS)
    this.#identityMapAddressSet = true
  }
}
