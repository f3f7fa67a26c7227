import { KvmError } from '../errors.js'
import { checkOptions, invalidArgument } from '../validate.js'
import { binding, type NativeVcpuRun, RunResult } from './binding.js'
import type { CapabilityName } from './capabilities.js'
import { announce } from './exit-channel.js'
import { ExitDecoder } from './exit-decoder.js'
import type { Exit } from './exits.js'
import { errnoName, type Fd } from './fd.js'
import { EXIT_REASONS } from './generated/exits.js'
import { RunPage } from './run-page.js'
import { type SyncedRegisters, VALID_REGS_OFFSET } from './synced-registers.js'

/** Options of `vcpu.run()`. */
export interface RunOptions {
  /**
   * When to come back even if the guest spins or halts for ever: a point in time on the clock of `performance.now()`,
   * in milliseconds. One deadline can serve a whole loop of runs. Without it a guest may keep the thread for good.
   */
  deadline?: number
}

/** What a vCPU's thread is for its {@link Execution}. */
interface VcpuThread {
  /** Whether it has the vCPU in the guest. */
  readonly inGuest: boolean
  /** Hands over the posted writes that completing an access has led to. */
  deliver(): void
}

// Only these leave the guest in the middle of an instruction; KVM completes it when it is entered again.
const COMPLETED_ON_ENTRY: readonly boolean[] = (() => {
  const completed = new Array<boolean>(64).fill(false)
  const names = [
    'IO',
    'MMIO',
    'HYPERCALL',
    'X86_RDMSR',
    'X86_WRMSR',
    'XEN',
    'HYPERV',
    'OSI',
    'TDX',
    'SNP_REQ_CERTS',
  ] as const
  for (const name of [...names, 'ARM_NISV'] as const) completed[EXIT_REASONS[`KVM_EXIT_${name}`]] = true
  return completed
})()

const EXIT_MEMORY_FAULT = EXIT_REASONS.KVM_EXIT_MEMORY_FAULT

/** KVM_RUN on the calling thread, the kvm_run page, and what of it is true at the moment. */
export class Execution {
  readonly native: NativeVcpuRun
  readonly #run: (deadline: number) => number
  readonly id: number
  readonly fd: Fd
  readonly check: (capability: CapabilityName) => number
  readonly page: RunPage
  readonly #decoder: ExitDecoder
  readonly #syncable: bigint
  // Which register sets KVM is asked to leave in the page; grows with what is read.
  #wantedSync = 0n
  // Which of them are there now and still true.
  #validSync = 0n
  #accessPending = false
  // Completing an access for a reader of state led to another exit, which run() has not returned yet.
  #exitWaiting = false

  /** `check`: KVM_CHECK_EXTENSION of its VM. */
  constructor(id: number, fd: Fd, check: (capability: CapabilityName) => number) {
    const syncable = check('KVM_CAP_SYNC_REGS')
    const native = new binding.VcpuRun(fd.native)
    try {
      this.#run = native.runner()
      this.page = new RunPage(() => native.page())
    } catch (cause) {
      native.close()
      throw cause
    }
    this.native = native
    this.id = id
    this.fd = fd
    this.#decoder = new ExitDecoder(this.page)
    this.check = check
    this.#syncable = BigInt(syncable)
  }

  run(options?: RunOptions): Exit {
    const deadline = options === undefined ? 0 : deadlineMicroseconds(options)
    this.fd.checkOpen()
    if (this.#exitWaiting) return this.takeWaitingExit()
    let result: number
    do result = this.#run(deadline)
    while (result === RunResult.tick)
    return this.accept(result)
  }

  /** Whether the guest is in the middle of an access, which KVM completes when it is entered again. */
  get accessPending(): boolean {
    return this.#accessPending
  }

  /** Whether completing an access has led to an exit that nobody has seen yet. */
  get exitWaiting(): boolean {
    return this.#exitWaiting
  }

  /** The exit in the page, which nobody has seen, is kept for later: {@link exitWaiting}. */
  keepExit(): void {
    this.#exitWaiting = true
  }

  takeWaitingExit(): Exit {
    this.#exitWaiting = false
    return announce(this.id, this.#decoder.decode())
  }

  /** Takes what entering the guest came to, a {@link RunResult} or -errno, and returns the exit. */
  accept(result: number): Exit {
    this.#validSync = this.#wantedSync
    if (result !== RunResult.exit) {
      this.#accessPending = false
      if (result === RunResult.deadline) return announce(this.id, { reason: 'interrupted', cause: 'deadline' })
      if (result > 0) return announce(this.id, { reason: 'interrupted', cause: 'kick' })
      this.#checkMemoryFault(-result)
    }
    this.#accessPending = COMPLETED_ON_ENTRY[this.#decoder.exitReason] === true
    return announce(this.id, this.#decoder.decode())
  }

  /** Completes the pending access. False when that led to another exit, which is waiting then. */
  complete(): boolean {
    if (this.#exitWaiting) return false
    if (!this.#accessPending) return true
    this.#accessPending = false
    let result = this.native.complete()
    this.thread?.deliver()
    while (result === RunResult.ringFull && !this.fd.closed) {
      result = this.native.complete()
      this.thread?.deliver()
    }
    if (result < 0) throw this.fd.refusal('KVM_RUN', -result)
    this.#validSync = this.#wantedSync
    this.#exitWaiting = result === 1
    this.#accessPending = this.#exitWaiting && COMPLETED_ON_ENTRY[this.#decoder.exitReason] === true
    return !this.#exitWaiting
  }

  /** Reads a register set: from the page where KVM has left it there, else by its ioctl. */
  read<T extends object>({ bit, offset, ioctl, struct }: SyncedRegisters<T>): T {
    this.#completeAccess()
    if ((this.#validSync & bit) !== 0n) return struct.decode(this.page.data, offset)
    if ((this.#syncable & bit) !== 0n) {
      // Whoever reads it once reads it again: from the next exit on it costs no ioctl.
      this.#wantedSync |= bit
      this.page.data.setBigUint64(VALID_REGS_OFFSET, this.#wantedSync, true)
    }
    return this.fd.get(ioctl, struct)
  }

  /** Before state is read by an ioctl: the pending access is completed. */
  settle(): void {
    this.#completeAccess()
  }

  /**
   * Changes state by ioctls. What the page says is not trusted afterwards, whatever ran in between: reading what the
   * caller gave can run code of the caller.
   */
  change(action: () => void): void {
    this.#completeAccess()
    try {
      action()
    } finally {
      this.#validSync = 0n
    }
  }

  /** Before access to state that needs no completed access: nobody but its thread may touch a vCPU in the guest. */
  checkOutside(): void {
    this.fd.checkOpen()
    if (this.thread?.inGuest === true) {
      throw new KvmError('ERR_KVM_RUNNING', `vCPU ${this.id} is running; pause() it first`, {
        operands: { vcpu: this.id },
      })
    }
  }

  /** The vCPU's thread, as long as it has one. */
  thread: VcpuThread | undefined

  close(): void {
    this.native.close()
  }

  /** KVM_RUN failed: that is an exit when KVM reports a memory fault with it (KVM API, KVM_EXIT_MEMORY_FAULT). */
  #checkMemoryFault(errno: number): void {
    const name = errnoName(errno)
    const fault = name === 'EFAULT' || name === 'EHWPOISON'
    if (!fault || this.#decoder.exitReason !== EXIT_MEMORY_FAULT) {
      throw this.fd.refusal('KVM_RUN', errno)
    }
  }

  #completeAccess(): void {
    this.checkOutside()
    if (this.complete()) return
    throw new KvmError(
      'ERR_KVM_ACCESS_PENDING',
      `vCPU ${this.id} is in the middle of an access that takes more than one exit; run() returns the next part`,
      { operands: { vcpu: this.id } },
    )
  }
}

// Between the two clocks below, in microseconds: both count CLOCK_MONOTONIC, from different beginnings, which are the
// runtime's affair (Bun and Deno have others than Node). Computed when it is
// needed, because Node loads what `performance` is made of then.
let offset: number | undefined
const clockOffset = () => (offset ??= binding.now() - performance.now() * 1e3)

/** From performance.now()'s milliseconds to CLOCK_MONOTONIC's microseconds; 0 for none. */
function deadlineMicroseconds(options: RunOptions): number {
  // The whole check only for what is not an object with this one key: it is slow for something done at each exit.
  let plain = typeof options === 'object' && (options as RunOptions | null) !== null && !Array.isArray(options)
  if (plain) for (const name in options) plain &&= name === 'deadline'
  if (!plain) checkOptions('options', options, ['deadline'])
  const { deadline } = options
  if (deadline === undefined) return 0
  if (typeof deadline !== 'number' || Number.isNaN(deadline)) {
    throw invalidArgument('deadline', deadline, 'a number of milliseconds on the clock of performance.now()')
  }
  return Math.min(Math.max(Math.ceil(deadline * 1e3 + clockOffset()), 1), Number.MAX_SAFE_INTEGER)
}
