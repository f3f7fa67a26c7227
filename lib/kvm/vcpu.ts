import { performance } from 'node:perf_hooks'

import { KvmError } from '../errors.js'
import {
  checkBoolean,
  checkBytes,
  checkInteger,
  checkOneOf,
  checkOptions,
  checkUint64,
  invalidArgument,
} from '../validate.js'
import { binding, constant, type NativeVcpuRun, RunResult } from './binding.js'
import { type CpuidEntry, readCpuid, writeCpuid } from './cpuid.js'
import { ExitDecoder } from './exit-decoder.js'
import type { Exit } from './exits.js'
import { errnoName, type Fd, ioctlError } from './fd.js'
import type { KickToken } from './kick.js'
import { readMsrs, writeMsrs } from './msrs.js'
import {
  type Debugregs,
  debugregsStruct,
  type Fpu,
  fpuStruct,
  type Regs,
  regsStruct,
  type Sregs,
  sregsStruct,
  type VcpuEvents,
  vcpuEventsStruct,
} from './registers.js'
import { RunPage, runOffset } from './run-page.js'
import { type Patch, Struct } from './struct.js'

/** Options of {@link Vcpu.run}. */
export interface RunOptions {
  /**
   * When to come back even if the guest spins or halts for ever: a point in time on the clock of `performance.now()`,
   * in milliseconds. One deadline can serve a whole loop of runs. Without it a guest may keep the thread for good.
   */
  deadline?: number
}

/** What the debugger wants to see (KVM API, KVM_SET_GUEST_DEBUG); what is left out is off. */
export interface GuestDebug {
  /** Off switches everything else off too. */
  enable: boolean
  /** A `debug` exit after each instruction. */
  singleStep?: boolean
  /** A `debug` exit at the guest's breakpoint instructions (INT3). */
  useSwBp?: boolean
  /** Breakpoints in `debugreg`. */
  useHwBp?: boolean
  /** DR0 to DR7 for `useHwBp`. */
  debugreg?: bigint[]
  /** No interrupts while single-stepping. */
  blockIrq?: boolean
}

/** What a vCPU is doing (KVM API, KVM_GET_MP_STATE). */
export type MpState = (typeof MP_STATES)[number]

const MP_STATES = [
  'runnable',
  'uninitialized',
  'init-received',
  'halted',
  'sipi-received',
  'stopped',
  'check-stop',
  'operating',
  'load',
  'ap-reset-hold',
  'suspended',
] as const

const mpStateStruct = new Struct<{ mp_state: number }>('kvm_mp_state')
const guestDebugStruct = new Struct<{ control: number; arch: { debugreg: bigint[] } }>('kvm_guest_debug')

const LAPIC_SIZE = 0x400

// Only these leave the guest in the middle of an instruction; KVM completes it when it is entered again.
const COMPLETED_ON_ENTRY = new Set(
  ['IO', 'MMIO', 'HYPERCALL', 'X86_RDMSR', 'X86_WRMSR', 'XEN', 'HYPERV', 'OSI', 'TDX', 'SNP_REQ_CERTS', 'ARM_NISV'].map(
    (name) => constant(`KVM_EXIT_${name}`),
  ),
)

const EXIT_MEMORY_FAULT = constant('KVM_EXIT_MEMORY_FAULT')

/** A register set that KVM can leave in the kvm_run page at each exit (KVM_CAP_SYNC_REGS). */
interface Synced<T extends object> {
  bit: bigint
  offset: number
  ioctl: string
  struct: Struct<T>
}

function synced<T extends object>(flag: string, field: string, ioctl: string, struct: Struct<T>): Synced<T> {
  return { bit: BigInt(binding.constants[flag] ?? 0), offset: runOffset(field), ioctl, struct }
}

const SYNCED_REGS = synced('KVM_SYNC_X86_REGS', 's.regs.regs', 'KVM_GET_REGS', regsStruct)
const SYNCED_SREGS = synced('KVM_SYNC_X86_SREGS', 's.regs.sregs', 'KVM_GET_SREGS', sregsStruct)
const SYNCED_EVENTS = synced('KVM_SYNC_X86_EVENTS', 's.regs.events', 'KVM_GET_VCPU_EVENTS', vcpuEventsStruct)

const VALID_REGS_OFFSET = runOffset('kvm_valid_regs')

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
  readonly #native: NativeVcpuRun
  readonly #page: RunPage
  readonly #decoder: ExitDecoder
  readonly #syncable: bigint
  readonly #onClose: (vcpu: Vcpu) => void
  // Which register sets KVM is asked to leave in the page; grows with what is read.
  #wantedSync = 0n
  // Which of them are there now and still true.
  #validSync = 0n
  #accessPending = false
  #continued = false

  /** @internal */
  constructor(id: number, fd: Fd, syncable: number, onClose: (vcpu: Vcpu) => void) {
    this.id = id
    this.#fd = fd
    this.#native = new binding.VcpuRun(fd.native)
    this.#page = new RunPage(this.#native.page())
    this.#decoder = new ExitDecoder(this.#page)
    this.#syncable = BigInt(syncable)
    this.#onClose = onClose
    this.kickToken = this.#native.token() as KickToken
  }

  get closed(): boolean {
    return this.#fd.closed
  }

  /**
   * Enters the guest on this thread and returns when it exits (KVM API, KVM_RUN). Signals that are not the library's
   * own do not end it. The returned exit is valid until the next run().
   */
  run(options?: RunOptions): Exit {
    const deadline = options === undefined ? 0 : deadlineMicroseconds(options)
    void this.#fd.native
    if (this.#continued) {
      // Completing the last access for a reader of state led to this exit already.
      this.#continued = false
      return this.#decoder.decode()
    }
    for (;;) {
      const result = this.#native.run(deadline)
      this.#validSync = this.#wantedSync
      if (result === RunResult.exit) break
      if (result === RunResult.tick) continue
      this.#accessPending = false
      if (result === RunResult.deadline) return { reason: 'interrupted', cause: 'deadline' }
      if (result === RunResult.kick) return { reason: 'interrupted', cause: 'kick' }
      // A memory fault is reported together with an error (KVM API, KVM_EXIT_MEMORY_FAULT).
      const errno = -result
      const fault = ['EFAULT', 'EHWPOISON'].includes(errnoName(errno))
      if (fault && this.#decoder.exitReason === EXIT_MEMORY_FAULT) break
      throw ioctlError('KVM_RUN', errno, { vcpu: this.id })
    }
    this.#accessPending = COMPLETED_ON_ENTRY.has(this.#decoder.exitReason)
    return this.#decoder.decode()
  }

  /** Makes the next run() return an `interrupted` exit at once. From other threads: {@link kick}. */
  kick(): void {
    void this.#fd.native
    this.#native.kick()
  }

  /** KVM_GET_REGS. */
  getRegs(): Regs {
    return this.#read(SYNCED_REGS)
  }

  /** KVM_SET_REGS; registers that are left out keep their value. */
  setRegs(regs: Patch<Regs>): void {
    this.#settle()
    this.#fd.update('KVM_GET_REGS', 'KVM_SET_REGS', regsStruct, regs)
  }

  /** KVM_GET_SREGS. */
  getSregs(): Sregs {
    return this.#read(SYNCED_SREGS)
  }

  /** KVM_SET_SREGS; registers, and members of segments, that are left out keep their value. */
  setSregs(sregs: Patch<Sregs>): void {
    this.#settle()
    this.#fd.update('KVM_GET_SREGS', 'KVM_SET_SREGS', sregsStruct, sregs)
  }

  /** KVM_GET_FPU. */
  getFpu(): Fpu {
    this.#settle()
    return this.#fd.get('KVM_GET_FPU', fpuStruct)
  }

  /** KVM_SET_FPU; members that are left out keep their value. */
  setFpu(fpu: Patch<Fpu>): void {
    this.#settle()
    this.#fd.update('KVM_GET_FPU', 'KVM_SET_FPU', fpuStruct, fpu)
  }

  /** KVM_GET_MSRS: the values by MSR index. Throws `ERR_KVM_MSR` with the index of one that cannot be read. */
  getMsrs(indices: Iterable<number>): Map<number, bigint> {
    this.#settle()
    return readMsrs(this.#fd, indices)
  }

  /** KVM_SET_MSRS, in order. Throws `ERR_KVM_MSR` at the first that the kernel refuses; those before it are set. */
  setMsrs(values: Iterable<readonly [number, bigint]>): void {
    this.#settle()
    writeMsrs(this.#fd, values)
  }

  /** KVM_GET_CPUID2: what this vCPU's CPUID instruction says. */
  getCpuid2(): CpuidEntry[] {
    return readCpuid(this.#fd, 'KVM_GET_CPUID2')
  }

  /** KVM_SET_CPUID2: what this vCPU's CPUID instruction says. Before the first run(). */
  setCpuid2(entries: readonly CpuidEntry[]): void {
    this.#settle()
    writeCpuid(this.#fd, entries)
  }

  /** KVM_GET_LAPIC: the local APIC's registers, 1,024 bytes as at its MMIO address. Needs an in-kernel irqchip. */
  getLapic(): Uint8Array {
    this.#settle()
    const bytes = new Uint8Array(LAPIC_SIZE)
    this.#fd.ioctl('KVM_GET_LAPIC', bytes)
    return bytes
  }

  /** KVM_SET_LAPIC. */
  setLapic(registers: Uint8Array): void {
    checkBytes('registers', registers, LAPIC_SIZE)
    this.#settle()
    this.#fd.ioctl('KVM_SET_LAPIC', Uint8Array.from(registers))
  }

  /** KVM_GET_MP_STATE. */
  getMpState(): MpState {
    this.#settle()
    return MP_STATES[this.#fd.get('KVM_GET_MP_STATE', mpStateStruct).mp_state] ?? 'stopped'
  }

  /** KVM_SET_MP_STATE. */
  setMpState(state: MpState): void {
    const name = checkOneOf('state', state, MP_STATES)
    this.#settle()
    this.#fd.set('KVM_SET_MP_STATE', mpStateStruct, { mp_state: MP_STATES.indexOf(name) }, { state })
  }

  /** KVM_GET_VCPU_EVENTS. */
  getVcpuEvents(): VcpuEvents {
    return this.#read(SYNCED_EVENTS)
  }

  /** KVM_SET_VCPU_EVENTS; members that are left out keep their value. */
  setVcpuEvents(events: Patch<VcpuEvents>): void {
    this.#settle()
    this.#fd.update('KVM_GET_VCPU_EVENTS', 'KVM_SET_VCPU_EVENTS', vcpuEventsStruct, events)
  }

  /** KVM_GET_DEBUGREGS. */
  getDebugregs(): Debugregs {
    this.#settle()
    return this.#fd.get('KVM_GET_DEBUGREGS', debugregsStruct)
  }

  /** KVM_SET_DEBUGREGS; members that are left out keep their value. */
  setDebugregs(debugregs: Patch<Debugregs>): void {
    this.#settle()
    this.#fd.update('KVM_GET_DEBUGREGS', 'KVM_SET_DEBUGREGS', debugregsStruct, debugregs)
  }

  /** KVM_SET_GUEST_DEBUG. */
  setGuestDebug(debug: GuestDebug): void {
    const options = checkOptions('debug', debug, [...DEBUG_FLAGS.keys(), 'debugreg'])
    let control = 0
    for (const [name, flag] of DEBUG_FLAGS) {
      if (checkBoolean(name, options[name] ?? false)) control |= constant(flag)
    }
    const debugreg = options['debugreg'] ?? new Array<bigint>(8).fill(0n)
    if (!Array.isArray(debugreg) || debugreg.length !== 8) throw invalidArgument('debugreg', debugreg, 'an array of 8')
    debugreg.forEach((value, index) => checkUint64(`debugreg[${index}]`, value))
    this.#settle()
    this.#fd.set('KVM_SET_GUEST_DEBUG', guestDebugStruct, {
      control: options['enable'] === true ? control : 0,
      arch: { debugreg: debugreg as bigint[] },
    })
  }

  /** Closes the vCPU; its exits' `data` then has length 0. Closing again does nothing. */
  close(): void {
    if (this.closed) return
    this.#native.close()
    this.#fd.close()
    this.#onClose(this)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #read<T extends object>({ bit, offset, ioctl, struct }: Synced<T>): T {
    const validSync = this.#completeAccess()
    if ((validSync & bit) !== 0n) return struct.decode(this.#page.data, offset)
    if ((this.#syncable & bit) !== 0n) {
      this.#wantedSync |= bit
      this.#page.data.setBigUint64(VALID_REGS_OFFSET, this.#wantedSync, true)
    }
    return this.#fd.get(ioctl, struct)
  }

  /** Before any other access to state: the pending access is completed, and what the page holds is no longer trusted. */
  #settle(): void {
    this.#completeAccess()
    this.#validSync = 0n
  }

  #completeAccess(): bigint {
    void this.#fd.native
    if (this.#continued) throw this.#accessContinues()
    if (!this.#accessPending) return this.#validSync
    const result = this.#native.complete()
    if (result < 0) throw ioctlError('KVM_RUN', -result, { vcpu: this.id })
    this.#validSync = this.#wantedSync
    if (result === 1) {
      this.#continued = true
      this.#accessPending = COMPLETED_ON_ENTRY.has(this.#decoder.exitReason)
      throw this.#accessContinues()
    }
    this.#accessPending = false
    return this.#validSync
  }

  #accessContinues(): KvmError {
    return new KvmError(
      'ERR_KVM_ACCESS_PENDING',
      `vCPU ${this.id} is in the middle of an access that takes more than one exit; run() returns the next part`,
      { operands: { vcpu: this.id } },
    )
  }
}

const DEBUG_FLAGS = new Map([
  ['enable', 'KVM_GUESTDBG_ENABLE'],
  ['singleStep', 'KVM_GUESTDBG_SINGLESTEP'],
  ['useSwBp', 'KVM_GUESTDBG_USE_SW_BP'],
  ['useHwBp', 'KVM_GUESTDBG_USE_HW_BP'],
  ['blockIrq', 'KVM_GUESTDBG_BLOCKIRQ'],
])

/** From performance.now()'s milliseconds to CLOCK_MONOTONIC's microseconds; 0 for none. */
function deadlineMicroseconds(options: RunOptions): number {
  const { deadline } = checkOptions('options', options, ['deadline'])
  if (deadline === undefined) return 0
  if (typeof deadline !== 'number' || Number.isNaN(deadline)) {
    throw invalidArgument('deadline', deadline, 'a number of milliseconds on the clock of performance.now()')
  }
  const left = (deadline - performance.now()) * 1e3
  const now = Number(process.hrtime.bigint() / 1000n)
  return Math.min(Math.max(Math.ceil(now + left), 1), Number.MAX_SAFE_INTEGER)
}
