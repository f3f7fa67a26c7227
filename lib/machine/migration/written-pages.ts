import type { Vm } from '../../kvm/vm.js'
import type { MemoryRegion } from '../../memory/region.js'
import { malformed } from '../../snapshot/migration/frames.js'
import { PageSet } from './page-set.js'

/** Which pages of a machine's memory are written, by its guest and by its devices. */
export class WrittenPages {
  readonly #vm: Vm
  readonly #regions: readonly MemoryRegion[]
  // Regions whose log somebody else had switched on stay as they were.
  readonly #switched: MemoryRegion[] = []
  readonly #ends: (() => void)[] = []
  // By devices: since they were asked for last, and ever.
  #recent: PageSet
  readonly #ever: PageSet
  #moved = false

  /** Every vCPU is outside the guest, every device stands still. Throws `ERR_KVM_MIGRATION` where the kernel serves a device's queues. */
  constructor(vm: Vm, regions: readonly MemoryRegion[]) {
    this.#vm = vm
    this.#regions = regions
    this.#recent = new PageSet(regions)
    this.#ever = new PageSet(regions)
    const { dma } = vm.memory
    this.#checkSeen()
    this.#ends.push(
      dma.trackWrites((address, length) => {
        this.#recent.add(address, length)
        this.#ever.add(address, length)
      }),
      dma.watch(() => {
        this.#moved = true
      }),
    )
    try {
      for (const region of regions) {
        if (region.readonly || region.logDirtyPages) continue
        vm.logDirtyPages(region, true)
        this.#switched.push(region)
      }
      // What it has from before is no news.
      vm.dirtyPages()
    } catch (error) {
      this.end()
      throw error
    }
  }

  /** Whether memory has been put in or taken out, as a reset does: nothing is known of it then. */
  get moved(): boolean {
    return this.#moved
  }

  /** Those that were written since they were asked for last. A device may be about to fill one of them. */
  take(): PageSet {
    this.#checkSeen()
    const pages = this.#recent
    this.#recent = new PageSet(this.#regions)
    for (const address of this.#vm.dirtyPages()) pages.add(address)
    return pages
  }

  /** What has to be sent once all stands still: whenever a device has said that it writes, it has done so by now. */
  addLast(pages: PageSet): void {
    pages.addAll(this.#ever)
  }

  /** How many of them devices have ever written. */
  get ofDevices(): number {
    return this.#ever.count
  }

  #checkSeen(): void {
    if (!this.#vm.memory.dma.isWrittenUnseen) return
    throw malformed(
      'the kernel writes to its memory unseen, as vhost-net does; give its network card a tap without that',
    )
  }

  /** From now on nothing is tracked, and that costs nothing. */
  end(): void {
    for (const end of this.#ends.splice(0)) end()
    if (this.#vm.closed) return
    for (const region of this.#switched.splice(0)) if (!region.removed) this.#vm.logDirtyPages(region, false)
  }
}
