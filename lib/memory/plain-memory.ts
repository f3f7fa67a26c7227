import { checkBoolean, checkInteger, checkOptions, invalidArgument } from '../validate.js'
import { PHYSICAL_ADDRESS_END } from './accessors.js'
import { DmaMemory } from './dma-memory.js'
import { GuestMemory } from './guest-memory.js'
import { MemoryRegion } from './region.js'

const PAGE = 0x1000

export interface PlainRegion {
  /** The first address, a multiple of 4096. */
  at: number
  /** In bytes. It takes that much only where it is touched, in steps of 16 MiB. */
  size: number
  /** ROM. Default: false. */
  readonly?: boolean
}

/**
 * Memory of this process alone, at guest physical addresses, for a device or a loader without a VM: in tests. It answers as a
 * VM's does. Throws `ERR_KVM_MEMORY_OVERLAP` where regions share an address.
 */
export function plainMemory(...regions: readonly PlainRegion[]): DmaMemory {
  const memory = new GuestMemory()
  for (const region of regions) {
    checkOptions('region', region, ['at', 'size', 'readonly'])
    const at = checkInteger('at', region.at, 0, PHYSICAL_ADDRESS_END - 1)
    if (at % PAGE !== 0) throw invalidArgument('at', at, `a multiple of ${PAGE}`)
    const size = checkInteger('size', region.size, 1, PHYSICAL_ADDRESS_END - at)
    memory.checkFree(at, size)
    const readonly = checkBoolean('readonly', region.readonly ?? false)
    const backing = { size, buffer: (_offset: number, length: number) => new ArrayBuffer(length) }
    memory.add(new MemoryRegion({ at, size, backing, offset: 0, readonly, logDirtyPages: false }))
  }
  return memory.dma
}
