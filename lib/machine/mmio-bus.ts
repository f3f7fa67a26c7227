import { Bus, type BusOptions, type MapOptions } from '../bus/bus.js'
import type { Device } from '../bus/device.js'
import type { BusMapping } from '../bus/mapping.js'
import { KvmError } from '../errors.js'
import { hex } from '../format.js'
import type { GuestMemory } from '../memory/guest-memory.js'
import { checkInteger } from '../validate.js'

/** The guest physical addresses of a machine, where RAM answers before any device does. */
export class MmioBus extends Bus {
  readonly #memory: GuestMemory

  constructor(memory: GuestMemory, options: Omit<BusOptions, 'name'>) {
    super({ name: 'mmio', ...options })
    this.#memory = memory
  }

  /** Throws `ERR_KVM_MEMORY_OVERLAP` where there is RAM; over read-only memory a device gets the writes. */
  override map(start: number, length: number, device: Device, options?: MapOptions): BusMapping {
    checkInteger('start', start, 0, this.size - 1)
    checkInteger('length', length, 1, this.size - start)
    const ram = this.#memory.regions.find(
      ({ at, size, readonly }) => !readonly && start < at + size && at < start + length,
    )
    if (ram === undefined) return super.map(start, length, device, options)
    const end = ram.at + ram.size
    throw new KvmError(
      'ERR_KVM_MEMORY_OVERLAP',
      `a device at ${hex(start)} to ${hex(start + length - 1)} would never be asked: RAM is at ${hex(ram.at)} to ${hex(end - 1)}; ` +
        'choose an address above it, such as one between 3 GiB and 4 GiB, or give the machine less memory',
      { operands: { start, length, region: { at: ram.at, size: ram.size } } },
    )
  }

  /** Not where there is memory of any kind: what a guest moves over ROM would get only its writes. */
  override isFree(start: number, length: number): boolean {
    const { regions } = this.#memory
    return super.isFree(start, length) && !regions.some(({ at, size }) => start < at + size && at < start + length)
  }
}
