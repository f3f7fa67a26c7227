import type { DeviceMemory, MemoryRange } from '../memory/device-memory.js'

/** Guest memory as a function reaches it: while the guest has not made it a bus master, there is none. */
export class MasterMemory implements DeviceMemory {
  readonly #memory: DeviceMemory
  readonly #isMaster: () => boolean
  readonly #watchers = new Set<() => void>()
  #wasMaster = false

  constructor(memory: DeviceMemory, isMaster: () => boolean) {
    this.#memory = memory
    this.#isMaster = isMaster
  }

  get regions(): readonly MemoryRange[] {
    return this.#isMaster() ? this.#memory.regions : []
  }

  watch(changed: () => void): () => void {
    const end = this.#memory.watch?.(changed)
    this.#watchers.add(changed)
    return () => {
      this.#watchers.delete(changed)
      end?.()
    }
  }

  /** The guest may have made the function a bus master, or no master any more. */
  update(): void {
    const isMaster = this.#isMaster()
    if (isMaster === this.#wasMaster) return
    this.#wasMaster = isMaster
    for (const changed of this.#watchers) changed()
  }

  read(address: number, length: number): Uint8Array | undefined {
    return this.#isMaster() ? this.#memory.read(address, length) : undefined
  }

  write(address: number, bytes: Uint8Array): boolean {
    return this.#isMaster() && this.#memory.write(address, bytes)
  }

  fill(address: number, length: number, value: number): boolean {
    return this.#isMaster() && this.#memory.fill(address, length, value)
  }

  slices(address: number, length: number, access: 'read' | 'write'): Uint8Array[] | undefined {
    return this.#isMaster() ? this.#memory.slices(address, length, access) : undefined
  }

  loadUint16(address: number): number | undefined {
    return this.#isMaster() ? this.#memory.loadUint16(address) : undefined
  }

  loadUint32(address: number): number | undefined {
    return this.#isMaster() ? this.#memory.loadUint32(address) : undefined
  }

  storeUint16(address: number, value: number): boolean {
    return this.#isMaster() && this.#memory.storeUint16(address, value)
  }

  storeUint32(address: number, value: number): boolean {
    return this.#isMaster() && this.#memory.storeUint32(address, value)
  }
}
