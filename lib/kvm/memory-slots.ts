import { KvmError } from '../errors.js'
import { hex } from '../format.js'
import { PHYSICAL_ADDRESS_END } from '../memory/accessors.js'
import type { MemoryRange } from '../memory/device-memory.js'
import type { GuestMemory } from '../memory/guest-memory.js'
import { MemoryRegion } from '../memory/region.js'
import { checkBoolean, checkBytes, checkInteger, checkOptions, invalidArgument } from '../validate.js'
import { binding } from './binding.js'
import { DirtyLog } from './dirty-log.js'
import type { VmFd } from './fd.js'
import {
  KVM_MEM_GUEST_MEMFD,
  KVM_MEM_LOG_DIRTY_PAGES,
  KVM_MEM_READONLY,
  kvm_clear_dirty_log,
  kvm_dirty_log,
} from './generated/common.js'
import { GuestMemfd } from './guest-memfd.js'
import { HostMemory, type HostMemoryOptions } from './host-memory.js'

/** Where and how memory is put into a VM. */
export interface AddMemoryOptions extends Partial<HostMemoryOptions> {
  /** Guest physical address of the first byte, a multiple of the host's page size. */
  at: number
  /** In bytes, a multiple of the host's page size. With `memory`, the default is what it has from `offset` on. */
  size?: number
  /** Use this memory instead of allocating some; `backing` and `hugePages` then make no sense. */
  memory?: HostMemory
  /** Where to start in `memory`, in bytes, a multiple of the host's page size. */
  offset?: number
  /** The guest's writes become MMIO exits and change nothing; the host can write. */
  readonly?: boolean
  /** Keep track of which pages the guest writes, for getDirtyLog(). */
  logDirtyPages?: boolean
  /**
   * Memory that only guests see stands beside it, for what KVM is told is private (KVM_SET_USER_MEMORY_REGION2). On a host with
   * KVM_CAP_GUEST_MEMFD.
   */
  guestMemfd?: GuestMemfd
  /** Where to start in it, in bytes, a multiple of the host's page size. */
  guestMemfdOffset?: number
}

// A memory slot has at most 2^31 - 1 pages (KVM_MEM_MAX_NR_PAGES).
const MAX_SLOT_PAGES = 2 ** 31 - 1

/** What stands behind a region. */
export interface RegionMemory {
  memory: HostMemory
  /** Where the region begins in it, in bytes. */
  offset: number
}

/** Of every region that is in a VM. */
const behind = new WeakMap<MemoryRange, RegionMemory>()

/** What stands behind a stretch of a VM's memory; undefined for what is no VM's. */
export function memoryBehind(range: MemoryRange): RegionMemory | undefined {
  return behind.get(range)
}

interface Slot extends RegionMemory {
  number: number
  /** Whether add() allocated it, and so closes it. */
  owned: boolean
  /** Its flags, but for that of the dirty log. */
  flags: number
}

/** A VM's memory slots, KVM_SET_USER_MEMORY_REGION, and what stands behind each. */
export class MemorySlots {
  readonly #fd: VmFd
  readonly #memory: GuestMemory
  readonly #slots = new Map<MemoryRegion, Slot>()

  constructor(fd: VmFd, memory: GuestMemory) {
    this.#fd = fd
    this.#memory = memory
  }

  add(options: AddMemoryOptions): MemoryRegion {
    const place = checkPlace(options)
    const number = this.#freeSlot()
    const guestMemfdNative = place.guestMemfd?.native
    this.#memory.checkFree(place.at, place.size)
    const owned = place.memory === undefined
    const memory = place.memory ?? HostMemory.allocate(place.allocate)
    const region = new MemoryRegion({ ...place, backing: memory })
    const { at, size, guestMemfd } = place
    const flags = (place.readonly ? KVM_MEM_READONLY : 0) | (guestMemfd === undefined ? 0 : KVM_MEM_GUEST_MEMFD)
    const result = this.#fd.native.setMemory(
      number,
      flags | logFlag(place.logDirtyPages),
      at,
      size,
      memory.native,
      place.offset,
      !owned,
      guestMemfdNative,
      place.guestMemfdOffset,
    )
    const ioctl = `KVM_SET_USER_MEMORY_REGION${guestMemfd === undefined ? '' : '2'}`
    try {
      this.#fd.issued(ioctl, result, { at, size, slot: number })
    } catch (cause) {
      if (owned) memory.close()
      throw cause
    }
    this.#slots.set(region, { number, memory, offset: place.offset, owned, flags })
    behind.set(region, { memory, offset: place.offset })
    this.#memory.add(region)
    return region
  }

  remove(region: MemoryRegion): void {
    const { number, memory, owned } = this.#slot(region)
    const result = this.#fd.native.setMemory(number, 0, region.at, 0)
    this.#fd.issued('KVM_SET_USER_MEMORY_REGION', result, { at: region.at, slot: number })
    this.#slots.delete(region)
    behind.delete(region)
    this.#memory.delete(region)
    region.remove()
    if (owned) memory.close()
  }

  hostMemory(region: MemoryRegion): RegionMemory {
    const { memory, offset } = this.#slot(region)
    return { memory, offset }
  }

  /** The same memory again, with another flag: that is how the kernel is told. */
  logDirtyPages(region: MemoryRegion, on: boolean): void {
    const { number, flags, memory, offset, owned } = this.#slot(region)
    const { at, size } = region
    if ((flags & KVM_MEM_GUEST_MEMFD) !== 0)
      throw invalidArgument('region', region, 'one without guestMemfd: the kernel has no dirty log of private memory')
    if (on === region.logDirtyPages) return
    const result = this.#fd.native.setMemory(number, flags | logFlag(on), at, size, memory.native, offset, !owned)
    this.#fd.issued('KVM_SET_USER_MEMORY_REGION', result, { at, size, slot: number })
    region.logged(on)
  }

  getDirtyLog(region: MemoryRegion): DirtyLog {
    const { number } = this.#slot(region)
    const bitmap = new Uint8Array(Math.ceil(region.size / binding.pageSize / 64) * 8)
    const argument = kvm_dirty_log.bytes({ slot: number })
    this.#fd.ioctl('KVM_GET_DIRTY_LOG', argument, { at: region.at, size: region.size }, bitmap)
    return new DirtyLog(region.at, binding.pageSize, bitmap)
  }

  /** Of what `log` names, the kernel tracks writes anew (KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2). */
  clearDirtyLog(region: MemoryRegion, log: DirtyLog): void {
    const { number } = this.#slot(region)
    if (!(log instanceof DirtyLog) || log.at !== region.at)
      throw invalidArgument('log', log, 'what getDirtyLog() gave of this region')
    const pages = region.size / binding.pageSize
    const argument = kvm_clear_dirty_log.bytes({ slot: number, num_pages: pages, first_page: 0n })
    const copy = Uint8Array.from(checkBytes('log', log.bitmap, Math.ceil(pages / 64) * 8))
    this.#fd.ioctl('KVM_CLEAR_DIRTY_LOG', argument, { at: region.at, size: region.size }, copy)
  }

  /** The regions whose writes are tracked. */
  logged(): MemoryRegion[] {
    return [...this.#slots.keys()].filter((region) => region.logDirtyPages)
  }

  byNumber(): Map<number, MemoryRegion> {
    return new Map(Array.from(this.#slots, ([region, { number }]) => [number, region]))
  }

  /** After the VM has been closed: gives back the memory that add() allocated. */
  close(): void {
    this.#memory.close()
    for (const { memory, owned } of this.#slots.values()) {
      if (owned) memory.close()
    }
    this.#slots.clear()
  }

  #slot(region: MemoryRegion): Slot {
    this.#fd.checkOpen()
    const slot = this.#slots.get(region)
    if (slot === undefined) throw invalidArgument('region', region, 'a region of this VM that has not been removed')
    return slot
  }

  #freeSlot(): number {
    // First: who hears of it may add memory, too.
    const limit = this.#fd.checkExtension('KVM_CAP_NR_MEMSLOTS')
    const taken = new Set([...this.#slots.values()].map((slot) => slot.number))
    for (let number = 0; number < limit; number++) if (!taken.has(number)) return number
    throw new KvmError(
      'ERR_KVM_MEMORY_LIMIT',
      `this host allows a VM ${limit} memory regions; use fewer, larger ones`,
      { operands: { limit } },
    )
  }
}

const logFlag = (on: boolean) => (on ? KVM_MEM_LOG_DIRTY_PAGES : 0)

/** A page-aligned address or offset from 0 to `max`. */
export function checkPageAddress(name: string, value: unknown, max: number): number {
  const address = checkInteger(name, value, 0, max)
  if (address % binding.pageSize !== 0) throw invalidArgument(name, hex(address), `a multiple of ${binding.pageSize}`)
  return address
}

/** addMemory()'s options as a complete value. */
function checkPlace(options: AddMemoryOptions) {
  const given = checkOptions('options', options, [
    'at',
    'size',
    'backing',
    'hugePages',
    'readonly',
    'logDirtyPages',
    'memory',
    'offset',
    'guestMemfd',
    'guestMemfdOffset',
  ])
  const { memory, backing, hugePages } = given
  if (memory !== undefined && !(memory instanceof HostMemory)) throw invalidArgument('memory', memory, 'a HostMemory')
  if (memory !== undefined && (backing !== undefined || hugePages !== undefined)) {
    throw invalidArgument('backing and hugePages', backing ?? hugePages, 'left out when memory is given')
  }
  if (memory === undefined && given['offset'] !== undefined) {
    throw invalidArgument('offset', given['offset'], 'left out when no memory is given')
  }
  const { guestMemfd } = given
  if (guestMemfd !== undefined && !(guestMemfd instanceof GuestMemfd)) {
    throw invalidArgument('guestMemfd', guestMemfd, 'what vm.createGuestMemfd() made')
  }
  if (guestMemfd === undefined && given['guestMemfdOffset'] !== undefined) {
    throw invalidArgument('guestMemfdOffset', given['guestMemfdOffset'], 'left out when no guestMemfd is given')
  }
  const offset = checkPageAddress('offset', given['offset'] ?? 0, memory?.size ?? 0)
  const room = memory === undefined ? MAX_SLOT_PAGES * binding.pageSize : memory.size - offset
  const size = checkInteger('size', given['size'] ?? (memory && room), binding.pageSize, room)
  if (size % binding.pageSize !== 0) throw invalidArgument('size', size, `a multiple of ${binding.pageSize}`)
  const at = checkPageAddress('at', given['at'], PHYSICAL_ADDRESS_END - size)
  return {
    at,
    size,
    offset,
    memory,
    guestMemfd,
    guestMemfdOffset: checkPageAddress('guestMemfdOffset', given['guestMemfdOffset'] ?? 0, guestMemfd?.size ?? 0),
    allocate: { size, backing, hugePages } as HostMemoryOptions,
    readonly: checkBoolean('readonly', given['readonly'] ?? false),
    logDirtyPages: checkBoolean('logDirtyPages', given['logDirtyPages'] ?? false),
  }
}
