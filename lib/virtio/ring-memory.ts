import type { DeviceMemory } from '../memory/device-memory.js'
import { driverFault } from './driver-fault.js'

/** Guest memory as a ring uses it. Where it has been checked there is memory; but that can be taken out of a VM later. */
export class RingMemory {
  readonly #memory: DeviceMemory

  constructor(memory: DeviceMemory) {
    this.#memory = memory
  }

  load16(address: number): number {
    return this.#memory.loadUint16(address) ?? outside(address)
  }

  load32(address: number): number {
    return this.#memory.loadUint32(address) ?? outside(address)
  }

  /** An address. What is above 2^53 is not exact, and outside of memory either way. */
  load64(address: number): number {
    return this.load32(address) + 2 ** 32 * this.load32(address + 4)
  }

  store16(address: number, value: number): void {
    if (!this.#memory.storeUint16(address, value)) outside(address)
  }

  store32(address: number, value: number): void {
    if (!this.#memory.storeUint32(address, value)) outside(address)
  }
}

function outside(address: number): never {
  throw driverFault('has a queue outside of memory', { address })
}
