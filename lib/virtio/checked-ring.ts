import { hex } from '../format.js'
import type { DeviceMemory } from '../memory/device-memory.js'
import { DESCRIPTOR_SIZE } from './descriptor.js'
import { driverFault } from './driver-fault.js'
import type { QueueAddresses, RingOptions } from './ring.js'
import { RingMemory } from './ring-memory.js'

/** A part of a queue: what messages call it, how long it is, in bytes, in a queue of that size, and what the device does with it. */
interface Part {
  name: string
  length: (size: number) => number
  alignment: number
  access: 'read' | 'write'
}

/** What makes one kind of queue differ from the other. */
export interface RingKind {
  /** What messages say of a size that it cannot have. */
  wrongSize: (size: number) => string
  isSize: (size: number) => boolean
  parts: Readonly<Record<keyof QueueAddresses, Part>>
}

const MAX_SIZE = 32768
const TABLE_ALIGNMENT = 4

/** What a ring of either kind is made of: agreed with the driver, and checked. */
export abstract class CheckedRing {
  protected readonly memory: DeviceMemory
  /** The same, for what the ring itself reads and writes. */
  protected readonly words: RingMemory
  protected readonly size: number
  protected readonly at: QueueAddresses
  protected readonly eventIndex: boolean
  readonly #indirect: boolean

  protected constructor({ memory, size, addresses, indirect, eventIndex, state }: RingOptions, kind: RingKind) {
    if (!(size > 0 && size <= MAX_SIZE && kind.isSize(size))) throw driverFault(kind.wrongSize(size), { size })
    // One that goes on has been checked. Whether its memory can be reached just now, it finds out.
    if (state === undefined) {
      for (const area of ['descriptors', 'driver', 'device'] as const) {
        checkPart(memory, addresses[area], size, kind.parts[area])
      }
    }
    this.memory = memory
    this.words = new RingMemory(memory)
    this.size = size
    this.at = addresses
    this.eventIndex = eventIndex
    this.#indirect = indirect
  }

  /** How many descriptors an indirect table has. No chain is longer than its queue (virtio 1.2, 2.7.5.3.1). */
  protected checkTable(table: number, bytes: number): number {
    if (!this.#indirect) throw driverFault('uses an indirect table without having asked for it', { address: table })
    if (table % TABLE_ALIGNMENT !== 0)
      throw driverFault('has put an indirect table at an odd place', { address: table })
    const count = bytes / DESCRIPTOR_SIZE
    if (Number.isInteger(count) && count > 0 && count <= this.size) return count
    throw driverFault(`has made an indirect table of ${bytes} bytes, in a queue of ${this.size}`, { bytes })
  }
}

function checkPart(memory: DeviceMemory, at: number, size: number, { name, length, alignment, access }: Part): void {
  if (at % alignment !== 0) throw driverFault(`has put a ${name} at ${hex(at)}, which is not aligned`, { at })
  const bytes = length(size)
  if (memory.slices(at, bytes, access) === undefined) {
    throw driverFault(`has put a ${name} at ${hex(at)}, where there is no memory for it`, { at, length: bytes })
  }
}
