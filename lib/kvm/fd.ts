import { KvmError } from '../errors.js'
import { lazy } from '../lazy.js'
import { invalidArgument } from '../validate.js'
import { adviceFor } from './advice.js'
import { binding, type NativeFd, type NativeVmFd } from './binding.js'
import { CAPABILITY_NUMBERS } from './generated/capabilities.js'
import { announceIoctl } from './ioctl-channel.js'
import type { Patch, Struct } from './struct.js'

/** What an ioctl was about: goes into the error's operands, and into its message through {@link adviceFor}. */
export type Operands = Record<string, unknown>

const errnoNames = lazy(() => {
  const { errno } = process.getBuiltinModule('node:os').constants
  return new Map(Object.entries(errno).map(([name, number]) => [number, name]))
})

/** `EINVAL` for 22. */
export function errnoName(errno: number): string {
  return errnoNames().get(errno) ?? `errno ${errno}`
}

/** The error for an ioctl that the kernel refused; of a descriptor that is there, {@link Fd.refusal}. */
function ioctlError(ioctl: string, errno: number, operands: Operands): KvmError {
  const name = errnoName(errno)
  const advice = adviceFor(ioctl, name)
  const message = `${ioctl} failed with ${name}${advice === undefined ? '' : `: ${advice.text}`}`
  return new KvmError(advice?.code ?? 'ERR_KVM_IOCTL', message, { operands, errno, ioctl })
}

/** The kernel's number of a capability. */
export function capabilityNumber(capability: string): number {
  if (typeof capability !== 'string' || !Object.hasOwn(CAPABILITY_NUMBERS, capability)) {
    throw invalidArgument('capability', capability, 'one of CAPABILITIES')
  }
  return CAPABILITY_NUMBERS[capability as keyof typeof CAPABILITY_NUMBERS]
}

/** Where the native table has the ioctls that were asked for. */
const rows = new Map<string, number>()

function row(ioctl: string): number {
  const known = rows.get(ioctl)
  if (known !== undefined) return known
  const index = binding.ioctlRow(ioctl)
  if (index === undefined) {
    throw new KvmError('ERR_KVM_UNSUPPORTED', `${ioctl} does not exist on ${process.arch}`, { operands: { ioctl } })
  }
  rows.set(ioctl, index)
  return index
}

/** The error for a system call, other than an ioctl, that the addon made in vain. */
export function systemFailure(what: string, cause: unknown): unknown {
  const { errno, syscall } = cause as { errno?: number; syscall?: string }
  if (cause instanceof KvmError || errno === undefined) return cause
  const scarce = errnoName(errno) === 'EMFILE' ? 'no file descriptor is left (ulimit -n)' : 'the host refuses'
  return new KvmError('ERR_KVM_OUT_OF_MEMORY', `${what}: ${scarce} (${syscall}: ${errnoName(errno)})`, {
    operands: { syscall },
    errno,
    cause,
  })
}

/** That of a VM. */
export type VmFd = Fd<NativeVmFd>

/** A KVM descriptor: issues ioctls by the kernel's names and turns refusals into {@link KvmError}s. */
export class Fd<Native extends NativeFd = NativeFd> {
  #native: Native | undefined
  readonly #what: string
  /** What must hold directly before each ioctl: reading what a caller gave can run code of the caller. */
  guard: (() => void) | undefined
  /** Whose it is: goes into the operands of all its errors. */
  readonly operands: Operands
  // What has been created of it and goes with it: statistics, devices, memory that only guests see.
  readonly #parts = new Set<Fd>()

  /** `what` names the owner in messages, for example "the VM". */
  constructor(native: Native, what: string, operands: Operands = {}) {
    this.#native = native
    this.operands = operands
    this.#what = what
  }

  get closed(): boolean {
    return this.#native === undefined
  }

  get native(): Native {
    this.checkOpen()
    return this.#native as Native
  }

  /** Throws when the descriptor has been closed. */
  checkOpen(): void {
    if (this.#native === undefined) {
      throw new KvmError('ERR_KVM_CLOSED', `${this.#what} has been closed`, {
        operands: { ...this.operands, handle: this.#what },
      })
    }
  }

  close(): void {
    for (const part of this.#parts) part.close()
    this.#parts.clear()
    this.#native?.close()
    this.#native = undefined
  }

  /** The same as create(), of something that is closed with this. */
  createPart<Part extends NativeFd>(
    name: string,
    argument: Uint8Array | undefined,
    what: string,
    operands?: Operands,
  ): Fd<Part> {
    const part = this.create<Part>(name, argument, what, operands)
    for (const old of this.#parts) if (old.closed) this.#parts.delete(old)
    this.#parts.add(part)
    return part
  }

  /**
   * Issues an ioctl and returns its result; throws when the kernel refuses. `links` is what members of the struct point to
   * (native/ioctl_table.h, struct Link).
   */
  ioctl(name: string, argument?: number | Uint8Array, operands?: Operands, ...links: unknown[]): number {
    const result = this.tryIoctl(name, argument, ...links)
    if (result < 0) throw this.refusal(name, -result, operands)
    return result
  }

  /** The error for an ioctl on it that the kernel refused. */
  refusal(ioctl: string, errno: number, operands?: Operands): KvmError {
    return ioctlError(ioctl, errno, { ...this.operands, ...operands })
  }

  /** Issues an ioctl and returns its result, or -errno. */
  tryIoctl(name: string, argument?: number | Uint8Array, ...links: unknown[]): number {
    this.guard?.()
    return announceIoctl(this.#what, name, this.native.ioctl(row(name), argument, ...links))
  }

  /** KVM_CHECK_EXTENSION. */
  checkExtension(capability: string): number {
    const result = this.tryIoctl('KVM_CHECK_EXTENSION', capabilityNumber(capability))
    // arm64's /dev/kvm refuses to say what depends on a VM's interrupt controller (KVM_CAP_MSI_DEVID).
    if (result < 0 && errnoName(-result) !== 'EINVAL')
      throw this.refusal('KVM_CHECK_EXTENSION', -result, { capability })
    return Math.max(result, 0)
  }

  /**
   * Issues an ioctl that returns a descriptor, which is of that kind. `owner`: the operands of all its errors, those of this unless
   * given.
   */
  create<Created extends NativeFd>(
    name: string,
    argument: number | Uint8Array | undefined,
    what: string,
    operands?: Operands,
    owner: Operands = this.operands,
  ): Fd<Created> {
    const result = this.#create(name, argument)
    if (typeof result === 'number') throw this.refusal(name, -result, operands)
    return new Fd(result as Created, what, owner)
  }

  /** Asks whether a call would return a descriptor: 0, or -errno. A descriptor that it does return is closed. */
  tryCreate(name: string, argument: Uint8Array): number {
    const result = this.#create(name, argument)
    if (typeof result === 'number') return result
    result.close()
    return 0
  }

  #create(name: string, argument: number | Uint8Array | undefined): NativeFd | number {
    const result = this.native.create(row(name), argument)
    announceIoctl(this.#what, name, typeof result === 'number' ? result : 0)
    return result
  }

  /** For an ioctl that the addon issues in a way of its own: tells who listens, and throws when the kernel has refused. */
  issued(name: string, result: number, operands?: Operands): void {
    if (announceIoctl(this.#what, name, result) < 0) throw this.refusal(name, -result, operands)
  }

  /** A KVM_GET_*: the kernel fills the struct. */
  get<T extends object>(name: string, struct: Struct<T>): T {
    const bytes = new Uint8Array(struct.size)
    this.ioctl(name, bytes)
    return struct.decode(new DataView(bytes.buffer))
  }

  /** A KVM_SET_*: fields that are left out are zero. */
  set<T extends object>(name: string, struct: Struct<T>, value: Patch<T>, operands?: Operands): void {
    this.ioctl(name, struct.bytes(value), operands)
  }

  /** A KVM_SET_* whose left-out fields keep the value that KVM_GET_* reads. */
  update<T extends object>(getName: string, setName: string, struct: Struct<T>, patch: Patch<T>): void {
    const bytes = new Uint8Array(struct.size)
    this.ioctl(getName, bytes)
    struct.encode(patch, new DataView(bytes.buffer))
    this.ioctl(setName, bytes)
  }
}
