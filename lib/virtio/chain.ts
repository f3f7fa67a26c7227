import type { DeviceMemory } from '../memory/device-memory.js'
import { Buffers } from './buffers.js'
import { driverFault } from './driver-fault.js'

/** A chain of buffers that the driver has made available (virtio 1.2, 2.6). */
export interface Chain {
  /** What its queue knows it by until it is given back. */
  readonly id: number
  /** What the device reads, which comes first. */
  readonly readable: Buffers
  /** What the device writes. */
  readonly writable: Buffers
  /** How many descriptors and pieces of memory it is made of: the work of reading it. */
  readonly parts: number
}

/** What a descriptor says (virtio 1.2, 2.7.5 and 2.8.13), read once. */
export interface Descriptor {
  address: number
  length: number
  isWritable: boolean
}

// What the driver sends or takes in one chain (virtio 1.2, 2.6).
const MAX_CHAIN_LENGTH = 2 ** 32

/** The one way from descriptors to memory: makes a chain of them, each checked. */
export class ChainBuilder {
  readonly #memory: DeviceMemory
  readonly #readable: Uint8Array[] = []
  readonly #writable: Uint8Array[] = []
  #length = 0
  #parts = 0

  constructor(memory: DeviceMemory) {
    this.#memory = memory
  }

  add({ address, length, isWritable }: Descriptor): void {
    if (!isWritable && this.#writable.length > 0) {
      throw driverFault('has put a buffer for the device to read behind one for it to write', { address, length })
    }
    this.#length += length
    if (this.#length > MAX_CHAIN_LENGTH) {
      throw driverFault('has made a chain of more than 4 GiB', { address, length: this.#length })
    }
    const pieces = this.#memory.slices(address, length, isWritable ? 'write' : 'read')
    if (pieces === undefined) throw driverFault('has put a buffer outside of memory', { address, length, isWritable })
    this.#parts += 1 + pieces.length
    const all = isWritable ? this.#writable : this.#readable
    for (const piece of pieces) all.push(piece)
  }

  finish(id: number): Chain {
    return { id, readable: new Buffers(this.#readable), writable: new Buffers(this.#writable), parts: this.#parts }
  }
}
