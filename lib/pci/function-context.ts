import type { Doorbell, DoorbellOptions, DoorbellTarget } from '../bus/device-context.js'
import type { InterruptLine } from '../bus/interrupt-line.js'
import type { FunctionInterrupts } from './function-interrupts.js'
import { MasterMemory } from './master-memory.js'
import type { PciContext, PciVector } from './pci-device.js'
import type { PciSurroundings } from './surroundings.js'

/** What of a function its context leads to. */
export interface FunctionParts {
  readonly isMaster: boolean
  readonly interrupts: FunctionInterrupts
  doorbell(bar: number, options: DoorbellOptions, ring: DoorbellTarget): Doorbell
}

/** {@link PciContext} of one function. It is there before the function is: what is asked of it until then is done, and checked, later. */
export class FunctionContext implements PciContext {
  readonly name: string
  readonly memory: MasterMemory
  readonly #around: PciSurroundings
  #parts: FunctionParts | undefined
  readonly #waiting: ((parts: FunctionParts) => void)[] = []

  constructor(name: string, around: PciSurroundings) {
    this.name = name
    this.#around = around
    this.memory = new MasterMemory(around.memory, () => this.#parts?.isMaster ?? false)
  }

  get clock() {
    return this.#around.clock
  }

  get schedule() {
    return this.#around.schedule
  }

  get effects() {
    return this.#around.effects
  }

  get fail() {
    return this.#around.fail
  }

  get vcpu(): number | undefined {
    return this.#around.vcpu()
  }

  get messages(): boolean {
    return this.#parts?.interrupts.usesMessages ?? false
  }

  readonly interrupt = (): InterruptLine => {
    this.#when(({ interrupts }) => {
      interrupts.checkPin()
    })
    return { set: (level) => this.#parts?.interrupts.set(level) }
  }

  readonly vector = (index: number): PciVector => {
    this.#when(({ interrupts }) => {
      interrupts.checkVector(index)
    })
    return {
      trigger: () => this.#parts?.interrupts.trigger(index),
      connect: (event) => this.#parts?.interrupts.connect(index, event) ?? { close: () => undefined },
    }
  }

  readonly doorbell = (bar: number, options: DoorbellOptions, ring: DoorbellTarget): Doorbell => {
    let bell: Doorbell | undefined
    let closed = false
    this.#when((parts) => {
      if (!closed) bell = parts.doorbell(bar, options, ring)
    })
    return {
      close: () => {
        closed = true
        bell?.close()
      },
    }
  }

  /** The function is there. */
  complete(parts: FunctionParts): void {
    this.#parts = parts
    for (const call of this.#waiting.splice(0)) call(parts)
  }

  #when(call: (parts: FunctionParts) => void): void {
    if (this.#parts === undefined) this.#waiting.push(call)
    else call(this.#parts)
  }
}
