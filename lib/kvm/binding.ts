import { resolve } from 'node:path'
import { addonFailure } from './addon-failure.js'
import { findAddon, loadAddon } from './addon-file.js'

/** A KVM descriptor; see native/fd.h. Kernel errors come back as negative numbers. */
export interface NativeFd {
  /** `links`: what members of the struct point to, in the order of the row: Uint8Arrays, NativeMemorys, NativeEventFds. */
  ioctl(row: number, argument?: number | Uint8Array, ...links: unknown[]): number
  /** 0 when the call was but a question. */
  create(row: number, argument?: number | Uint8Array, ...links: unknown[]): NativeFd | number
  close(): void
}

/** See native/stats_fd.cc. */
export interface NativeStatsFd extends NativeFd {
  read(offset: number, bytes: Uint8Array): number
}

/** A VM; see native/vm_fd.cc. */
export interface NativeVmFd extends NativeFd {
  setMemory(
    slot: number,
    flags: number,
    guestAddress: number,
    size: number,
    memory?: NativeMemory,
    offset?: number,
    kept?: boolean,
    guestMemfd?: NativeFd,
    guestMemfdOffset?: number,
  ): number
  ioeventfd(
    assign: boolean,
    event: NativeEventFd,
    space: number,
    address: number,
    length: number,
    datamatch?: bigint,
  ): number
  irqfd(assign: boolean, event: NativeEventFd, gsi: number, resample?: NativeEventFd): number
  /** The cells of a VM's register page, struct RegisterCell of native/register_page.h. */
  registerPage(): ArrayBuffer
  /** Which of them lies where: space, start, length, cell and listener for each, sorted. Replaces the whole table. */
  decode(rows: Float64Array): void
}

/** The kernel's half of a network card; see native/vhost_fd.cc. Results below 0 are -errno. */
export interface NativeVhostFd extends NativeFd {
  /** Start, size, memory and offset in it, again and again. */
  setMemory(...reaches: (number | NativeMemory)[]): number
  setAddresses(queue: number, size: number, descriptors: number, available: number, used: number): number
}

/** Host memory; see native/memory.cc. */
export interface NativeMemory {
  buffer(offset: number, length: number, lasting: boolean): ArrayBuffer
  /** The descriptor of the file that has this content, or -1. */
  fd(): number
  /** Seals the file, and becomes a copy of it. */
  freeze(): void
  isCopy(): boolean
  /** Of a copy: it is again as its file. */
  revert(): void
  /** Of a copy: a bit for each page, set where it is not that of the file. */
  writtenPages(): Uint8Array
  /** False while a VM uses the memory. */
  close(): boolean
}

/** A userfaultfd over a memory; see native/userfault.cc. Results below 0 are -errno. */
export interface NativeUserfault {
  copy(offset: number, bytes: Uint8Array, protectedAgainstWriting: boolean): number
  zero(offset: number, length: number): number
  proceed(offset: number, length: number): number
  protect(offset: number, length: number, on: boolean): number
  resident(offset: number): boolean
  closed(): boolean
  close(): void
}

/** A vCPU's kvm_run page and KVM_RUN; see native/vcpu_run.cc. */
export interface NativeVcpuRun {
  /**
   * A function that enters the guest and returns a {@link RunResult}, or -errno. The deadline is in microseconds of
   * CLOCK_MONOTONIC, 0 for none.
   */
  runner(): (deadline: number) => number
  /**
   * 0, 1 when completing led to another exit, or -errno. On the vCPU's thread when it has one: then also ringFull, which
   * wants to be called again once the posted writes in the thread's page have been delivered.
   */
  complete(): number
  /** Gives the vCPU a thread, and returns its seat at the hub. `outside`: it begins with a turn, {@link RunResult}.out. */
  start(hub: NativeHub, outside: boolean): number
  /** Ends the thread, if there is one, so that the vCPU can be run again. Its seat must be removed from the hub then. */
  stop(): void
  /** Makes the thread come out of the guest with {@link RunResult}.out. */
  comeOut(): void
  /** struct ThreadPage of native/vcpu_thread.h. */
  threadBuffer(): ArrayBuffer
  /** The counters of struct ThreadStats, in order; of the last thread when it has ended, empty when there was none. */
  stats(): Float64Array
  kick(): void
  page(): ArrayBuffer
  token(): number
  /** The ring of struct kvm_dirty_gfn, of that many bytes, which the VM must have been told. */
  dirtyRing(bytes: number): ArrayBuffer
  /** Ends the thread, too, but waits for nobody. */
  close(): void
}

/** An eventfd; see native/event_fd.cc. */
export interface NativeEventFd {
  signal(): void
  ref(): void
  unref(): void
  close(): void
}

/** A queue of a tap interface; see native/tap.cc. Results below 0 are -errno. */
export interface NativeTap {
  name(): string
  read(bytes: Uint8Array): number
  write(...pieces: Uint8Array[]): number
  setOffload(flags: number): number
  listen(on: boolean): void
  close(): void
}

/** Where this JavaScript thread meets its vCPU threads; see native/hub.cc. Negative results are {@link HubResult}s. */
export interface NativeHub {
  look(): number
  /** A bare function next(seat): the call costs a fraction of a method's. */
  server(): (seat: number) => number
  /** True when {@link look} must be called in a millisecond. */
  answer(seat: number): boolean
  remove(seat: number): void
}

/** native/vcpu_state.h, `enum class RunResult`. */
export const RunResult = { exit: 0, deadline: 1, kick: 2, tick: 3, out: 4, ringFull: 5 } as const

/** native/hub.cc: what look() and next() return instead of a seat. */
export const HubResult = { asleep: -1, sliceOver: -2, lookSoon: -3 } as const

/** How many cells a register page has, and where their members are; see native/shared_layouts.h. */
export type NativeRegisterCell = Readonly<
  Record<
    | 'cells'
    | 'size'
    | 'bankCells'
    | 'read'
    | 'write'
    | 'whole'
    | 'bits'
    | 'mask'
    | 'bank'
    | 'chosen'
    | 'chooses'
    | 'sequence'
    | 'frequency'
    | 'starts',
    number
  >
>

/** How many writes a thread's ring has, and where its members are; see native/shared_layouts.h. */
export type NativeThreadPage = Readonly<
  Record<
    | 'result'
    | 'exitOffered'
    | 'postedFirst'
    | 'postedCount'
    | 'ring'
    | 'entries'
    | 'entrySize'
    | 'listener'
    | 'length'
    | 'address'
    | 'data'
    | 'dataSize'
    | 'reasons',
    number
  >
>

/** What native/addon.cc exports. */
export interface Binding {
  openKvm(path: string): NativeFd
  adoptKvm(fd: number): NativeFd
  openVhostNet(): NativeVhostFd
  Memory: new (
    size: number,
    backing: number,
    hugePageShift: number,
    transparent: boolean,
    fd?: number,
    offset?: number,
    unsealed?: boolean,
  ) => NativeMemory
  Userfault: new (
    memory: NativeMemory,
    mode: number,
    callback: (offset: number, flags: number) => void,
  ) => NativeUserfault
  VcpuRun: new (fd: NativeFd) => NativeVcpuRun
  EventFd: new (callback?: (count: number) => void) => NativeEventFd
  Tap: new (name: string, multiQueue: boolean, readable: () => void) => NativeTap
  Hub: new (event: NativeEventFd) => NativeHub
  /** 0 or -errno; see native/host_file.h. */
  lockFile(fd: number, exclusive?: boolean): number
  readCached(fd: number, offset: number, ...pieces: readonly Uint8Array[]): number
  allocateFile(fd: number, mode: number, offset: number, length: number): Promise<number>
  kick(token: number): boolean
  /** Microseconds of CLOCK_MONOTONIC. */
  now(): number
  /** Bytes in a page of the host. */
  pageSize: number
  /** Where an ioctl is in the native table; undefined where this architecture has none. */
  ioctlRow(name: string): number | undefined
  registerCell: NativeRegisterCell
  threadPage: NativeThreadPage
}

function load(): Binding {
  // Developers' builds (sanitizers) lie elsewhere, and the addon of a bundle may.
  const named = process.env['NODE_KVM_ADDON']
  const file = named === undefined || named === '' ? findAddon() : resolve(named)
  if (file === undefined) throw addonFailure(file)
  try {
    return loadAddon(file) as Binding
  } catch (cause) {
    throw addonFailure(file, cause)
  }
}

/** The addon. This is the only file that loads native code. */
export const binding = load()
