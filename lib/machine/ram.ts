import type { MemoryLayout } from '../arch/x86/memory-layout.js'
import { KvmError } from '../errors.js'
import { hex } from '../format.js'
import { HostMemory, type MemoryImage } from '../kvm/host-memory.js'
import type { AddMemoryOptions } from '../kvm/memory-slots.js'
import type { Vm } from '../kvm/vm.js'
import type { MemoryRegion } from '../memory/region.js'
import { copyMemory, copyPages, copyToNew, PAGE, type SavedRegion } from './machine-memory.js'
import type { MachineOrigin } from './origin.js'
import { type Content, noBase, type Snapshot } from './snapshot.js'

export interface RamOptions {
  layout: MemoryLayout
  backing: 'memfd' | 'anonymous'
}

/** A region, and what it is to the machine. */
export interface Part {
  kind: SavedRegion['kind']
  region: MemoryRegion
  /** A copy of something saved, which the VM does not own. */
  copy?: HostMemory
}

/** A region as it was at a moment; a file has it. */
export interface SetAside extends Content {
  close(): void
}

/** A machine's RAM, the read-only memory that its boot source has put in, and whatever else was asked for. */
export class Ram {
  readonly #vm: Vm
  readonly #layout: MemoryLayout
  readonly #backing: RamOptions['backing']
  #parts: Part[] = []
  // The snapshots from which it differs only in pages that were written.
  #saved = new Set<string>()

  constructor(vm: Vm, { layout, backing }: RamOptions) {
    this.#vm = vm
    this.#layout = layout
    this.#backing = backing
  }

  /** Puts in what there is from the beginning: what `origin` has, or zeros. */
  begin(regions: readonly AddMemoryOptions[], origin: MachineOrigin | undefined): void {
    for (const region of regions) this.#parts.push({ kind: 'beside', region: this.#vm.addMemory(region) })
    if (origin === undefined) this.#addRam()
    else this.restore(origin)
  }

  /** What there is to save, lowest address first. */
  get regions(): SavedRegion[] {
    return this.#inOrder.map(({ kind, region: { at, size } }) => ({ kind, at, size }))
  }

  /** The same, as they are in the VM. */
  get parts(): readonly Part[] {
    return this.#inOrder
  }

  /** Read-only memory with these bytes; the guest's next life begins without it. */
  addRom(at: number, bytes: Uint8Array): void {
    const region = this.#vm.addMemory({ at, size: bytes.length, readonly: true })
    region.write(at, bytes)
    this.#parts.push({ kind: 'rom', region })
  }

  /** The guest begins again: with new, empty RAM, unless that is kept. */
  reset(keep: boolean): void {
    this.#saved = new Set()
    this.#remove(({ kind }) => kind === 'rom' || (kind === 'ram' && !keep))
    if (!keep) this.#addRam()
  }

  /** Each region as it is, in a file. It is the caller's. As for {@link freeze}. */
  setAside(): SetAside[] {
    const images = this.freeze()
    return this.regions.map(({ at, size }) => {
      const image = images.get(at) as MemoryImage
      return { at, size, fd: image.fd, close: () => image.close() }
    })
  }

  /** The same of the pages that may differ from that snapshot. Throws `ERR_KVM_SNAPSHOT` where that is not known. */
  setAsideWritten(base: Snapshot): SetAside[] {
    if (!this.#saved.has(base.info.id)) throw noBase(base.info.directories[0] ?? '')
    const done: SetAside[] = []
    try {
      for (const part of this.#inOrder) done.push(this.#setAsideWritten(part))
      return done
    } catch (error) {
      for (const each of done) each.close()
      throw error
    }
  }

  /**
   * What has been set aside is to be a snapshot: what is returned says that it is one. Memory that has been exchanged, or put back, since
   * then does not differ from it in written pages alone.
   */
  toBeSaved(): (id: string) => void {
    const saved = this.#saved
    const isCopy = ({ kind, region }: Part) => kind === 'beside' || this.#vm.hostMemory(region).memory.isCopy
    const areCopies = this.#parts.every(isCopy)
    return (id) => {
      if (areCopies) saved.add(id)
    }
  }

  /**
   * An image of each region, by its address. What has a memfd of its own goes on as the first copy of its image; the rest is
   * copied into one. Every vCPU is outside the guest.
   */
  freeze(): ReadonlyMap<number, MemoryImage> {
    const images = new Map<number, MemoryImage>()
    try {
      for (const part of this.#parts) images.set(part.region.at, this.#freeze(part))
      return images
    } catch (error) {
      for (const image of images.values()) image.close()
      throw error
    }
  }

  /**
   * All is as it was saved, at the cost of what was written since, if it began as that. Every vCPU is outside the guest. Throws
   * `ERR_KVM_SNAPSHOT`, and has changed nothing, where memory beside RAM is missing, or is one too many.
   */
  restore(origin: MachineOrigin): void {
    const saved = origin.state.memory
    const besides = (regions: readonly SavedRegion[]) => regions.filter(({ kind }) => kind === 'beside')
    checkSame(besides(saved), besides(this.regions))
    this.#saved = new Set()
    const isCopy = ({ kind, copy }: Part) => kind === 'beside' || copy !== undefined
    if (this.#parts.every(isCopy) && isSame(saved, this.regions)) this.#revert(origin)
    else {
      this.#remove(({ kind }) => kind !== 'beside')
      for (const region of saved) if (region.kind !== 'beside') this.#addCopy(region, origin.open(region))
    }
    for (const region of besides(saved)) this.#fill(region, origin)
    this.#saved = new Set(origin.ids)
  }

  /** After the VM has been closed. */
  close(): void {
    for (const { copy } of this.#parts.splice(0)) copy?.close()
  }

  get #inOrder(): Part[] {
    return this.#parts.toSorted((one, other) => one.region.at - other.region.at)
  }

  // A kernel touches most of its memory; huge pages save it the faults.
  #addRam(): void {
    const kind = { backing: this.#backing, hugePages: 'transparent' } as const
    for (const { at, size } of this.#layout.ram) {
      this.#parts.push({ kind: 'ram', region: this.#vm.addMemory({ at, size, ...kind }) })
    }
  }

  #addCopy({ kind, at, size }: SavedRegion, copy: HostMemory): void {
    try {
      const region = this.#vm.addMemory({ at, size, memory: copy, readonly: kind === 'rom' })
      this.#parts.push({ kind, region, copy })
    } catch (error) {
      copy.close()
      throw error
    }
  }

  #revert(origin: MachineOrigin): void {
    for (const { kind, region, copy } of this.#parts) {
      copy?.revert()
      if (copy !== undefined) origin.patch?.({ kind, at: region.at, size: region.size }, copy)
    }
  }

  #fill({ at, size }: SavedRegion, origin: MachineOrigin): void {
    const part = this.#parts.find(({ region }) => region.at === at)
    if (part === undefined) return
    using copy = origin.open({ kind: 'beside', at, size })
    copyMemory({ memory: copy, offset: 0 }, this.#vm.hostMemory(part.region), size)
  }

  #setAsideWritten({ kind, region }: Part): SetAside {
    const { at, size } = region
    const { memory, offset } = this.#vm.hostMemory(region)
    const all = () => new Uint8Array(Math.ceil(size / PAGE / 8)).fill(0xff)
    const pages = kind === 'beside' ? all() : memory.writtenPages()
    const copy = HostMemory.allocate({ size, backing: 'memfd' })
    try {
      copyPages({ memory, offset }, { memory: copy, offset: 0 }, pages, size)
    } catch (error) {
      copy.close()
      throw error
    }
    return { at, size, pages, fd: copy.fd as number, close: () => copy.close() }
  }

  #freeze({ kind, region }: Part): MemoryImage {
    const { memory, offset } = this.#vm.hostMemory(region)
    if (kind !== 'beside' && memory.fd !== undefined) return memory.freeze()
    using copy = HostMemory.allocate({ size: region.size, backing: 'memfd' })
    copyToNew({ memory, offset }, copy, region.size)
    return copy.freeze()
  }

  #remove(which: (part: Part) => boolean): void {
    for (const part of this.#parts.filter(which)) {
      this.#vm.removeMemory(part.region)
      part.copy?.close()
    }
    this.#parts = this.#parts.filter((part) => !which(part))
  }
}

const isSame = (some: readonly SavedRegion[], others: readonly SavedRegion[]) =>
  JSON.stringify(some) === JSON.stringify(others)

function checkSame(saved: readonly SavedRegion[], here: readonly SavedRegion[]): void {
  if (isSame(saved, here)) return
  const places = (regions: readonly SavedRegion[]) =>
    regions.map(({ at, size }) => `${size} bytes at ${hex(at)}`).join(', ')
  const problem = `the saved machine had memory beside its RAM (${places(saved) || 'none'}), and this one has ${places(here) || 'none'}`
  throw new KvmError('ERR_KVM_SNAPSHOT', `${problem}: give it the same, as \`regions\``, {
    operands: { component: 'regions' },
  })
}
