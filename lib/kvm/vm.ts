import type { Cell } from '../bus/cells.js'
import type { HostEvent } from '../bus/host-event.js'
import { GuestMemory } from '../memory/guest-memory.js'
import type { MemoryRegion } from '../memory/region.js'
import { checkInteger } from '../validate.js'
import { type Arm64VmCalls, arm64VmCalls } from './arm64/vm-calls.js'
import type { BusAddress } from './bus-address.js'
import { defineCalls } from './calls.js'
import type { CapabilityName } from './capabilities.js'
import { DirtyTracking } from './dirty-pages.js'
import { systemFailure, type VmFd } from './fd.js'
import { GsiRoutes } from './gsi-routes.js'
import { type Ioeventfd, type IoeventfdOptions, openIoeventfd } from './ioeventfd.js'
import { type Irqfd, type IrqfdOptions, openIrqfd } from './irqfd.js'
import { type AddMemoryOptions, MemorySlots } from './memory-slots.js'
import { type CellMapping, type PostedListener, RegisterPage } from './register-page.js'
import { prepareForVcpu } from './architecture.js'
import { Vcpu } from './vcpu.js'
import { type VmCalls, vmCalls } from './vm-calls.js'
import type { VmInside } from './vm-inside.js'
import { type X86VmCalls, x86VmCalls } from './x86/vm-calls.js'

/** A virtual machine: memory, vCPUs, and in-kernel devices. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- defineCalls() makes them
export interface Vm extends VmCalls, X86VmCalls, Arm64VmCalls {}

/** Most calls are in the interfaces {@link VmCalls}, {@link X86VmCalls} and {@link Arm64VmCalls}. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- defineCalls() makes them
export class Vm {
  /** The guest physical address space: every region that addMemory() made. */
  readonly memory: GuestMemory
  /** Where each GSI leads: the owner of KVM's table, for who changes a part of it. */
  readonly gsiRoutes: GsiRoutes
  readonly #fd: VmFd
  readonly #registers: RegisterPage
  readonly #vcpus = new Set<Vcpu>()
  readonly #eventfds = new Set<{ close(): void }>()
  readonly #slots: MemorySlots
  readonly #inside: VmInside

  /** @internal */
  constructor(fd: VmFd, type: number) {
    this.#fd = fd
    this.#registers = new RegisterPage(fd)
    this.memory = new GuestMemory()
    this.gsiRoutes = new GsiRoutes(fd)
    this.#slots = new MemorySlots(fd, this.memory)
    const dirty = new DirtyTracking(fd, this.#slots)
    this.#inside = {
      fd,
      type,
      slots: this.#slots,
      dirty,
      gsiRoutes: this.gsiRoutes,
      eventfds: this.#eventfds,
      addressesSet: { tss: false, identityMap: false },
    }
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
   * Puts memory at a guest physical address (KVM API, KVM_SET_USER_MEMORY_REGION; with `guestMemfd`,
   * KVM_SET_USER_MEMORY_REGION2).
   * Throws `ERR_KVM_MEMORY_OVERLAP` when another region is there.
   */
  addMemory(options: AddMemoryOptions): MemoryRegion {
    return this.#slots.add(options)
  }

  /** Takes a region out of the VM. Memory that addMemory() allocated is given back, and its views have length 0 then. */
  removeMemory(region: MemoryRegion): void {
    this.#inside.dirty.collect()
    this.#slots.remove(region)
    this.#inside.dirty.forget(region)
  }

  /** KVM_CREATE_VCPU, and its page (KVM_GET_VCPU_MMAP_SIZE). Throws `ERR_KVM_VCPU_EXISTS` and `ERR_KVM_VCPU_LIMIT`. */
  createVcpu(id: number): Vcpu {
    const number = checkInteger('id', id, 0, 0xffff_ffff)
    prepareForVcpu(this.#inside, this.#vcpus.size === 0)
    const fd = this.#fd.create('KVM_CREATE_VCPU', number, `vCPU ${number}`, { id: number }, { vcpu: number })
    try {
      const check = (capability: CapabilityName) => this.check(capability)
      const vcpu = new Vcpu(number, fd, check, this.#registers.listeners, this.#inside.dirty, (closed) =>
        this.#vcpus.delete(closed),
      )
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
   * lost. Many writes in a row are gathered by the kernel (KVM_REGISTER_COALESCED_MMIO, KVM_UNREGISTER_COALESCED_MMIO).
   * Has no effect on run(). Throws `ERR_KVM_BUS_OVERLAP` where a cell has been mapped, and `ERR_KVM_CELL_LIMIT`.
   */
  mapCells(at: BusAddress, cells: readonly Cell[], listener?: PostedListener): CellMapping {
    return this.#registers.map(at, cells, listener)
  }

  /**
   * KVM_IOEVENTFD: a doorbell. The guest's write to that port or address does not exit; `listener` is called on the
   * event loop with the number of writes since it was called last. It does not keep the process alive. An event in its place is
   * signalled, for whoever waits for that.
   */
  ioeventfd(options: IoeventfdOptions, listener: ((count: number) => void) | HostEvent): Ioeventfd {
    const doorbell = openIoeventfd(this.#fd, options, listener, (closed) => this.#eventfds.delete(closed))
    this.#eventfds.add(doorbell)
    return doorbell
  }

  /** KVM_IRQFD: an eventfd that raises an interrupt line, edge-triggered unless `resample` is given. The GSI leads where {@link gsiRoutes} says. */
  irqfd(gsi: number, options: IrqfdOptions = {}): Irqfd {
    const line = openIrqfd(this.#fd, gsi, options, (closed) => this.#eventfds.delete(closed))
    this.#eventfds.add(line)
    return line
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

  static {
    const [here, elsewhere] = process.arch === 'arm64' ? [arm64VmCalls, x86VmCalls] : [x86VmCalls, arm64VmCalls]
    defineCalls(Vm.prototype, (vm) => vm.#inside, [vmCalls, here], elsewhere)
  }
}
