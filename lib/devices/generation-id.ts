import { randomBytes } from 'node:crypto'
import type { Device, Stateful } from '../bus/device.js'
import { type InterruptLine, UNCONNECTED } from '../bus/interrupt-line.js'
import type { DeviceMemory } from '../memory/device-memory.js'
import { StateReader, type Versioned } from '../state.js'
import { checkInteger, checkOptions } from '../validate.js'

export interface GenerationIdOptions {
  memory: DeviceMemory
  /** Guest physical address of the 16 bytes, a multiple of 8, in memory that no guest uses for anything else. */
  address: number
  /** Tells the guest that they have changed: edge-triggered. */
  interrupt?: InterruptLine
}

export interface GenerationIdState extends Versioned {
  /** The 16 bytes. */
  id: number[]
}

/** In bytes. */
export const GENERATION_ID_SIZE = 16

/**
 * The virtual machine generation ID (Microsoft, "Virtual Machine Generation ID"): 16 random bytes in guest memory, which are others in
 * each fork of a machine. A kernel that knows it takes new random numbers when it is told of a change: Linux from 5.18 on. It has no
 * registers.
 */
export class GenerationId implements Device, Stateful<GenerationIdState> {
  readonly #memory: DeviceMemory
  readonly #address: number
  readonly #interrupt: InterruptLine
  #id = randomBytes(GENERATION_ID_SIZE)

  constructor(options: GenerationIdOptions) {
    checkOptions('options', options, ['memory', 'address', 'interrupt'])
    const { memory, address, interrupt = UNCONNECTED } = options
    this.#memory = memory
    this.#address = checkInteger('address', address, 0, Number.MAX_SAFE_INTEGER)
    this.#interrupt = interrupt
  }

  /** Puts it where the guest finds it; false where there is no memory to write to. */
  place(): boolean {
    return this.#memory.write(this.#address, this.#id)
  }

  forked(): void {
    this.#id = randomBytes(GENERATION_ID_SIZE)
    // Firmware's guests have not been told of the place, and have a ROM there.
    if (!this.place()) return
    this.#interrupt.set(true)
    this.#interrupt.set(false)
  }

  read(_: number, data: Uint8Array): void {
    data.fill(0xff)
  }

  write(): void {
    // No register is there.
  }

  save(): GenerationIdState {
    return { version: 1, id: [...this.#id] }
  }

  restore(state: GenerationIdState): void {
    const id = new StateReader('the generation ID', state, 1).integers('id', GENERATION_ID_SIZE, 0xff, true)
    this.#id = Buffer.from(id)
  }
}
