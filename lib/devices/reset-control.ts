import type { Stateful } from '../bus/device.js'
import { checkOptions } from '../validate.js'
import { ByteDevice } from './byte-access.js'
import { StateReader, type Versioned } from '../state.js'

// Intel I/O Controller Hub data sheets, "RST_CNT: reset control register".
const SYSTEM_RESET = 1 << 1
const RESET_CPU = 1 << 2
const FULL_RESET = 1 << 3
const KEPT = SYSTEM_RESET | FULL_RESET

export interface ResetControlOptions {
  /** The guest sets the reset bit. */
  reset?: () => void
}

export interface ResetControlState extends Versioned {
  value: number
}

/** The reset control register of PC chipsets, port 0xcf9: 0x06 resets, 0x0e too. It reads as what it is told, without that bit. */
export class ResetControl extends ByteDevice implements Stateful<ResetControlState> {
  readonly #reset: () => void
  #value = 0

  constructor(options: ResetControlOptions = {}) {
    super()
    checkOptions('options', options, ['reset'])
    this.#reset = options.reset ?? (() => undefined)
  }

  /** What is read. */
  get value(): number {
    return this.#value
  }

  protected override readByte(offset: number): number {
    return offset === 0 ? this.#value : 0xff
  }

  protected override writeByte(offset: number, value: number): void {
    if (offset !== 0) return
    this.#value = value & KEPT
    if ((value & RESET_CPU) !== 0) this.#reset()
  }

  reset(): void {
    this.#value = 0
  }

  save(): ResetControlState {
    return { version: 1, value: this.#value }
  }

  restore(state: ResetControlState): void {
    this.#value = new StateReader('the reset control register', state, 1).bits('value', KEPT)
  }
}
