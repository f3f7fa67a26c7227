import type { MemoryLayout } from '../arch/x86/memory-layout.js'
import type { AddMemoryOptions } from '../kvm/memory-slots.js'
import type { Vm } from '../kvm/vm.js'
import type { MemoryRegion } from '../memory/region.js'

export interface RamOptions {
  layout: MemoryLayout
  backing: 'memfd' | 'anonymous'
  /** Memory beside RAM. */
  regions: readonly AddMemoryOptions[]
}

/** A machine's RAM, the read-only memory that its boot source has put in, and whatever else was asked for. */
export class Ram {
  readonly #vm: Vm
  readonly #layout: MemoryLayout
  readonly #backing: RamOptions['backing']
  #regions: MemoryRegion[]
  #roms: MemoryRegion[] = []

  constructor(vm: Vm, { layout, backing, regions }: RamOptions) {
    this.#vm = vm
    this.#layout = layout
    this.#backing = backing
    this.#regions = this.#add()
    for (const region of regions) vm.addMemory(region)
  }

  /** Read-only memory with these bytes; the guest's next life begins without it. */
  addRom(at: number, bytes: Uint8Array): void {
    const rom = this.#vm.addMemory({ at, size: bytes.length, readonly: true })
    rom.write(at, bytes)
    this.#roms.push(rom)
  }

  /** The guest begins again: with new, empty RAM, unless that is kept. */
  reset(keep: boolean): void {
    for (const rom of this.#roms.splice(0)) this.#vm.removeMemory(rom)
    if (keep) return
    for (const region of this.#regions) this.#vm.removeMemory(region)
    this.#regions = this.#add()
  }

  // A kernel touches most of its memory; huge pages save it the faults.
  #add(): MemoryRegion[] {
    const kind = { backing: this.#backing, hugePages: 'transparent' } as const
    return this.#layout.ram.map(({ at, size }) => this.#vm.addMemory({ at, size, ...kind }))
  }
}
