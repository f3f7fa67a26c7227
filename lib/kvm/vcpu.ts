import { KvmError } from '../errors.js'
import { checkBytes, invalidArgument } from '../validate.js'
import { type CpuidEntry, readCpuid, writeCpuid } from './cpuid.js'
import { Execution, type RunOptions } from './execution.js'
import type { Exit } from './exits.js'
import { errnoName, type Fd, ioctlError } from './fd.js'
import { type GuestDebug, guestDebugBytes } from './guest-debug.js'
import type { KickToken } from './kick.js'
import { checkMpState, type MpState, readMpState, writeMpState } from './mp-state.js'
import { readMsrs, writeMsrs } from './msrs.js'
import { kvm_debugregs, kvm_fpu, kvm_regs, kvm_sregs, kvm_vcpu_events } from './generated/x86.js'
import type { Debugregs, Fpu, Regs, Sregs, VcpuEvents } from './registers.js'
import type { Listener } from './register-page.js'
import type { Patch } from './struct.js'
import { readStats, type VcpuStats } from './stats.js'
import { SYNCED_EVENTS, SYNCED_REGS, SYNCED_SREGS } from './synced-registers.js'
import { type ExitHandler, Thread } from './thread.js'

const LAPIC_SIZE = 0x400

/**
 * A virtual CPU. Reading or writing state after an exit first completes the access that caused the exit, as the next
 * `run()` would: answer the exit (fill `data`) before you look at registers.
 */
export class Vcpu {
  /** The vCPU's number; on x86 with an in-kernel interrupt controller also its APIC id. */
  readonly id: number
  /** For {@link kick}, from other worker threads. */
  readonly kickToken: KickToken
  readonly #fd: Fd
  readonly #execution: Execution
  readonly #posted: ReadonlyMap<number, Listener>
  readonly #onClose: (vcpu: Vcpu) => void
  #thread: Thread | undefined
  #keepsAlive = true

  /** @internal */
  constructor(
    id: number,
    fd: Fd,
    syncable: number,
    posted: ReadonlyMap<number, Listener>,
    onClose: (vcpu: Vcpu) => void,
  ) {
    this.id = id
    this.#fd = fd
    this.#execution = new Execution(id, fd, syncable)
    this.#posted = posted
    this.#onClose = onClose
    this.kickToken = this.#execution.native.token() as KickToken
  }

  get closed(): boolean {
    return this.#fd.closed
  }

  /**
   * Enters the guest on this thread and returns when it exits (KVM API, KVM_RUN). Signals that are not the library's
   * own do not end it. The returned exit is valid until the next run().
   */
  run(options?: RunOptions): Exit {
    if (this.#thread !== undefined) throw this.#hasThread()
    return this.#execution.run(options)
  }

  /**
   * Runs the guest on a thread of its own, and calls `handler` here for each exit; the event loop stays free. The guest
   * runs on when the handler returns, or when its promise resolves. Returns a promise that resolves when the vCPU has
   * stopped, and rejects with what the handler threw or the kernel refused; the vCPU then stands at that exit, as after
   * run(). The process stays alive as long as the vCPU is not stopped, unless {@link unref} was called.
   */
  start(handler: ExitHandler): Promise<void> {
    if (typeof handler !== 'function') throw invalidArgument('handler', handler, 'a function')
    this.#fd.checkOpen()
    if (this.#thread !== undefined) throw this.#hasThread()
    const thread = new Thread(this.#execution, handler, this.#posted, () => {
      this.#thread = this.#execution.thread = undefined
    })
    this.#thread = this.#execution.thread = thread
    if (!this.#keepsAlive) thread.unref()
    return thread.finished
  }

  /** Whether the vCPU has a thread: it was started and has not stopped. */
  get started(): boolean {
    return this.#thread !== undefined
  }

  /** Whether {@link pause} has taken the vCPU out of the guest. */
  get paused(): boolean {
    return this.#thread?.paused ?? false
  }

  /**
   * Resolves when the vCPU is outside the guest with its pending access completed: all state is architectural then, and
   * stays as it is until {@link resume}. An exit that is being handled is finished first, so do not wait for this in the
   * vCPU's own handler. A resume() or stop() in between ends the wait, too. A vCPU without a thread counts as paused.
   */
  async pause(): Promise<void> {
    await this.#thread?.pause()
  }

  /** Lets a paused vCPU run on. Does nothing when it is not paused. */
  resume(): void {
    this.#thread?.resume()
  }

  /** Ends the thread once the exit that is being handled is finished. Resolves when it has ended, like start(). */
  async stop(): Promise<void> {
    await this.#thread?.stop()
  }

  /** The vCPU's thread keeps the process alive (the default); a later one, too. */
  ref(): void {
    this.#keepsAlive = true
    this.#thread?.ref()
  }

  /** The process may end although the vCPU's thread, or a later one, runs. */
  unref(): void {
    this.#keepsAlive = false
    this.#thread?.unref()
  }

  /** What the vCPU's thread has done since start(), also when it has ended; undefined before the first start(). */
  get stats(): VcpuStats | undefined {
    return readStats(this.#execution.native)
  }

  /**
   * Makes run() return an `interrupted` exit, or hands one to the handler of start(): at once when the guest runs, else
   * when it is entered next. From other JavaScript threads: {@link kick}.
   */
  kick(): void {
    this.#fd.checkOpen()
    this.#execution.native.kick()
  }

  /** KVM_GET_REGS. */
  getRegs(): Regs {
    return this.#execution.read(SYNCED_REGS)
  }

  /** KVM_SET_REGS; registers that are left out keep their value. */
  setRegs(regs: Patch<Regs>): void {
    this.#execution.change(() => {
      this.#fd.update('KVM_GET_REGS', 'KVM_SET_REGS', kvm_regs, regs)
    })
  }

  /** KVM_GET_SREGS. */
  getSregs(): Sregs {
    return this.#execution.read(SYNCED_SREGS)
  }

  /** KVM_SET_SREGS; registers, and members of segments, that are left out keep their value. */
  setSregs(sregs: Patch<Sregs>): void {
    this.#execution.change(() => {
      this.#fd.update('KVM_GET_SREGS', 'KVM_SET_SREGS', kvm_sregs, sregs)
    })
  }

  /** KVM_GET_FPU. */
  getFpu(): Fpu {
    this.#execution.settle()
    return this.#fd.get('KVM_GET_FPU', kvm_fpu)
  }

  /** KVM_SET_FPU; members that are left out keep their value. */
  setFpu(fpu: Patch<Fpu>): void {
    this.#execution.change(() => {
      this.#fd.update('KVM_GET_FPU', 'KVM_SET_FPU', kvm_fpu, fpu)
    })
  }

  /** KVM_GET_MSRS: the values by MSR index. Throws `ERR_KVM_MSR` with the index of one that cannot be read. */
  getMsrs(indices: Iterable<number>): Map<number, bigint> {
    this.#execution.settle()
    return readMsrs(this.#fd, indices)
  }

  /** KVM_SET_MSRS, in order. Throws `ERR_KVM_MSR` at the first that the kernel refuses; those before it are set. */
  setMsrs(values: Iterable<readonly [number, bigint]>): void {
    this.#execution.change(() => {
      writeMsrs(this.#fd, values)
    })
  }

  /** KVM_GET_CPUID2: what this vCPU's CPUID instruction says. */
  getCpuid2(): CpuidEntry[] {
    this.#execution.checkOutside() // the kernel would make this thread wait for the vCPU's
    return readCpuid(this.#fd, 'KVM_GET_CPUID2')
  }

  /** KVM_SET_CPUID2: what this vCPU's CPUID instruction says. Before the first run(). */
  setCpuid2(entries: readonly CpuidEntry[]): void {
    this.#execution.change(() => {
      writeCpuid(this.#fd, entries)
    })
  }

  /** KVM_GET_LAPIC: the local APIC's registers, 1,024 bytes as at its MMIO address. Needs an in-kernel irqchip. */
  getLapic(): Uint8Array {
    this.#execution.settle()
    const bytes = new Uint8Array(LAPIC_SIZE)
    this.#fd.ioctl('KVM_GET_LAPIC', bytes)
    return bytes
  }

  /** KVM_SET_LAPIC. */
  setLapic(registers: Uint8Array): void {
    checkBytes('registers', registers, LAPIC_SIZE)
    this.#execution.change(() => {
      this.#fd.ioctl('KVM_SET_LAPIC', Uint8Array.from(registers))
    })
  }

  /** KVM_GET_MP_STATE. */
  getMpState(): MpState {
    this.#execution.settle()
    return readMpState(this.#fd)
  }

  /** KVM_SET_MP_STATE. */
  setMpState(state: MpState): void {
    const checked = checkMpState(state)
    this.#execution.change(() => {
      writeMpState(this.#fd, checked)
    })
  }

  /** KVM_GET_VCPU_EVENTS. */
  getVcpuEvents(): VcpuEvents {
    return this.#execution.read(SYNCED_EVENTS)
  }

  /** KVM_SET_VCPU_EVENTS; members that are left out keep their value. */
  setVcpuEvents(events: Patch<VcpuEvents>): void {
    this.#execution.change(() => {
      this.#fd.update('KVM_GET_VCPU_EVENTS', 'KVM_SET_VCPU_EVENTS', kvm_vcpu_events, events)
    })
  }

  /** KVM_GET_DEBUGREGS. */
  getDebugregs(): Debugregs {
    this.#execution.settle()
    return this.#fd.get('KVM_GET_DEBUGREGS', kvm_debugregs)
  }

  /** KVM_SET_DEBUGREGS; members that are left out keep their value. */
  setDebugregs(debugregs: Patch<Debugregs>): void {
    this.#execution.change(() => {
      this.#fd.update('KVM_GET_DEBUGREGS', 'KVM_SET_DEBUGREGS', kvm_debugregs, debugregs)
    })
  }

  /**
   * KVM_KVMCLOCK_CTRL: tells a guest whose clock went on while it was paused that it was, so that its watchdogs take the
   * gap for no stall. Before it is resumed. Returns false when the guest has no kvmclock to be told by. x86_64.
   */
  kvmclockCtrl(): boolean {
    this.#execution.checkOutside()
    const result = this.#fd.tryIoctl('KVM_KVMCLOCK_CTRL')
    if (result < 0 && errnoName(-result) !== 'EINVAL') throw ioctlError('KVM_KVMCLOCK_CTRL', -result, { vcpu: this.id })
    return result === 0
  }

  /** KVM_SET_GUEST_DEBUG. */
  setGuestDebug(debug: GuestDebug): void {
    const bytes = guestDebugBytes(debug)
    this.#execution.change(() => {
      this.#fd.ioctl('KVM_SET_GUEST_DEBUG', bytes)
    })
  }

  /**
   * Closes the vCPU; its exits' `data` then has length 0. Closing again does nothing. A guest that is running on the vCPU's
   * thread ends a moment later, before it executes another instruction; after the VM's close() it reaches no memory.
   */
  close(): void {
    if (this.closed) return
    // First, because this does not wait for the thread.
    this.#execution.close()
    this.#thread?.close()
    this.#fd.close()
    this.#onClose(this)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #hasThread(): KvmError {
    return new KvmError('ERR_KVM_RUNNING', `vCPU ${this.id} has a thread already; stop() it first`, {
      operands: { vcpu: this.id },
    })
  }
}
