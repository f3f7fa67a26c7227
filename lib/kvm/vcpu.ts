import { KvmError } from '../errors.js'
import { invalidArgument } from '../validate.js'
import { type Arm64VcpuCalls, arm64VcpuCalls, type Arm64VcpuEvents } from './arm64/vcpu-calls.js'
import { defineCalls } from './calls.js'
import type { DirtyTracking } from './dirty-pages.js'
import type { CapabilityName } from './capabilities.js'
import { Execution, type RunOptions } from './execution.js'
import type { Exit } from './exits.js'
import type { Fd } from './fd.js'
import { type GuestDebug, guestDebugBytes } from './guest-debug.js'
import type { KickToken } from './kick.js'
import { checkMpState, type MpState, readMpState, writeMpState } from './mp-state.js'
import type { Listener } from './register-page.js'
import type { VcpuEvents } from './registers.js'
import { readStats, type VcpuStats } from './stats.js'
import type { Patch } from './struct.js'
import { type ExitHandler, Thread } from './thread.js'
import { type VcpuCalls, vcpuCalls } from './vcpu-calls.js'
import { type X86VcpuCalls, x86VcpuCalls } from './x86/vcpu-calls.js'

/**
 * A virtual CPU. Reading or writing state after an exit first completes the access that caused the exit, as the next
 * `run()` would: answer the exit (fill `data`) before you look at registers.
 */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- defineCalls() makes them
export interface Vcpu extends VcpuCalls, X86VcpuCalls, Arm64VcpuCalls {
  /** KVM_GET_VCPU_EVENTS: the members of this architecture's struct. */
  getVcpuEvents(): VcpuEvents & Arm64VcpuEvents
  /** KVM_SET_VCPU_EVENTS; members that are left out keep their value. */
  setVcpuEvents(events: Patch<VcpuEvents> | Patch<Arm64VcpuEvents>): void
}

/** Most calls are in the interfaces {@link VcpuCalls}, {@link X86VcpuCalls} and {@link Arm64VcpuCalls}. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- defineCalls() makes them
export class Vcpu {
  /** The vCPU's number; on x86 with an in-kernel interrupt controller also its APIC id. */
  readonly id: number
  /** For {@link kick}, from other worker threads. */
  readonly kickToken: KickToken
  readonly #fd: Fd
  readonly #execution: Execution
  readonly #posted: ReadonlyMap<number, Listener>
  readonly #dirty: DirtyTracking
  readonly #onClose: (vcpu: Vcpu) => void
  #thread: Thread | undefined
  #keepsAlive = true

  /** @internal */
  constructor(
    id: number,
    fd: Fd,
    check: (capability: CapabilityName) => number,
    posted: ReadonlyMap<number, Listener>,
    dirty: DirtyTracking,
    onClose: (vcpu: Vcpu) => void,
  ) {
    this.id = id
    this.#fd = fd
    this.#execution = new Execution(id, fd, check)
    fd.guard = () => {
      this.#execution.checkOutside()
    }
    this.#posted = posted
    this.#onClose = onClose
    this.#dirty = dirty
    try {
      dirty.addVcpu(this.#execution.native)
    } catch (cause) {
      this.#execution.close()
      throw cause
    }
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
    this.#dirty.removeVcpu(this.#execution.native, this.started)
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

  static {
    const [here, elsewhere] = process.arch === 'arm64' ? [arm64VcpuCalls, x86VcpuCalls] : [x86VcpuCalls, arm64VcpuCalls]
    defineCalls(Vcpu.prototype, (vcpu) => vcpu.#execution, [vcpuCalls, here], elsewhere)
  }
}
