import { KvmError } from '../errors.js'
import { hex } from '../format.js'
import { MemoryAccessors } from './accessors.js'
import { DmaMemory } from './dma-memory.js'
import type { MemoryRegion } from './region.js'

/** A VM's whole guest physical address space: every region, as one. */
export class GuestMemory extends MemoryAccessors {
  // Sorted by address; they never overlap.
  readonly #regions: MemoryRegion[] = []
  // Accesses come in runs: the last region found is likely the next one.
  #last: MemoryRegion | undefined
  #closed = false
  #dma: DmaMemory | undefined
  readonly #watchers = new Set<() => void>()

  /**
   * The same memory for addresses that a guest chose, as devices, loaders and inspection take it: what lies outside is an answer
   * and no exception.
   */
  get dma(): DmaMemory {
    const regions = this.#regions
    return (this.#dma ??= new DmaMemory({
      get regions() {
        return [...regions]
      },
      find: (address) => this.#lookUp(address),
      watch: (changed) => {
        this.#watchers.add(changed)
        return () => void this.#watchers.delete(changed)
      },
    }))
  }

  /** The regions, lowest address first. */
  get regions(): readonly MemoryRegion[] {
    return [...this.#regions]
  }

  /** The size of all regions together, in bytes. */
  get size(): number {
    return this.#regions.reduce((sum, region) => sum + region.size, 0)
  }

  /**
   * Throws `ERR_KVM_MEMORY_OVERLAP` when a region there would share an address with one that exists.
   * @internal
   */
  checkFree(at: number, size: number): void {
    const taken = this.#regions.find((region) => at < region.at + region.size && region.at < at + size)
    if (taken === undefined) return
    const last = hex(taken.at + taken.size - 1)
    throw new KvmError(
      'ERR_KVM_MEMORY_OVERLAP',
      `${size} bytes at ${hex(at)} overlap the region ${hex(taken.at)} to ${last}; choose another address or remove that region`,
      { operands: { at, size, region: { at: taken.at, size: taken.size } } },
    )
  }

  /** @internal */
  add(region: MemoryRegion): void {
    this.#regions.splice(this.#position(region.at), 0, region)
    this.#tell()
  }

  /** @internal */
  delete(region: MemoryRegion): void {
    const index = this.#regions.indexOf(region)
    if (index >= 0) this.#regions.splice(index, 1)
    this.#last = undefined
    this.#tell()
  }

  /** @internal */
  close(): void {
    for (const region of this.#regions) region.remove()
    this.#regions.length = 0
    this.#last = undefined
    this.#closed = true
    this.#tell()
  }

  #tell(): void {
    for (const changed of this.#watchers) changed()
  }

  protected override find(address: number): MemoryRegion | undefined {
    if (this.#closed) throw new KvmError('ERR_KVM_CLOSED', 'the VM of this memory has been closed')
    return this.#lookUp(address)
  }

  #lookUp(address: number): MemoryRegion | undefined {
    const last = this.#last
    if (last !== undefined && address >= last.at && address < last.at + last.size) return last
    const region = this.#regions[this.#position(address + 1) - 1]
    if (region === undefined || address >= region.at + region.size) return undefined
    this.#last = region
    return region
  }

  protected override nearest(address: number): MemoryRegion | undefined {
    const distance = (region: MemoryRegion) =>
      address < region.at ? region.at - address : address - (region.at + region.size - 1)
    return this.#regions.reduce<MemoryRegion | undefined>(
      (best, region) => (best === undefined || distance(region) < distance(best) ? region : best),
      undefined,
    )
  }

  /** The index of the first region that starts at `address` or above. */
  #position(address: number): number {
    let low = 0
    let high = this.#regions.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const region = this.#regions[middle]
      if (region !== undefined && region.at < address) low = middle + 1
      else high = middle
    }
    return low
  }
}
