import type { Stateful } from '../bus/device.js'
import { checkOptions } from '../validate.js'
import { ByteDevice } from './byte-access.js'
import { StateReader, type Versioned } from '../state.js'

// Port 0x92 (IBM PS/2 technical reference, "system control port A").
const A_FAST_RESET = 1 << 0
const A_A20 = 1 << 1

// Port 0x61 (IBM PC AT technical reference; Intel ICH data sheet, "NMI status and control").
const B_KEPT = 0x0f
const B_REFRESH = 1 << 4

export interface SystemControlAOptions {
  /** The guest sets the fast reset bit. */
  reset?: () => void
  /** The guest drives the A20 gate, which KVM's guests do not have. */
  a20?: (open: boolean) => void
}

export interface SystemControlState extends Versioned {
  value: number
}

/** System control port A, 0x92: a fast way to reset the processor and to open the A20 gate. */
export class SystemControlA extends ByteDevice implements Stateful<SystemControlState> {
  readonly #reset: () => void
  readonly #a20: (open: boolean) => void
  #value = A_A20

  constructor(options: SystemControlAOptions = {}) {
    super()
    checkOptions('options', options, ['reset', 'a20'])
    this.#reset = options.reset ?? (() => undefined)
    this.#a20 = options.a20 ?? (() => undefined)
  }

  protected override readByte(offset: number): number {
    return offset === 0 ? this.#value : 0xff
  }

  protected override writeByte(offset: number, value: number): void {
    if (offset !== 0) return
    const changed = this.#value ^ value
    this.#set(value)
    // Only the change from 0 to 1 resets.
    if ((changed & value & A_FAST_RESET) !== 0) this.#reset()
  }

  #set(value: number): void {
    const moved = ((this.#value ^ value) & A_A20) !== 0
    this.#value = value
    if (moved) this.#a20((value & A_A20) !== 0)
  }

  reset(): void {
    this.#set(A_A20)
  }

  save(): SystemControlState {
    return { version: 1, value: this.#value }
  }

  restore(state: SystemControlState): void {
    this.#value = new StateReader('system control port A', state, 1).integer('value', 0xff)
  }
}

/**
 * System control port B, 0x61, for a VM without KVM's PIT: speaker and gate bits are kept, and the refresh bit toggles at
 * each read, which old code counts to pass time. The output of timer 2 (bit 5) stays low: there is no timer behind it.
 * With `vm.createPit2({ speakerDummy: true })` the kernel answers this port itself.
 */
export class SystemControlB extends ByteDevice implements Stateful<SystemControlState> {
  #value = 0

  protected override readByte(offset: number): number {
    if (offset !== 0) return 0xff
    this.#value ^= B_REFRESH
    return this.#value
  }

  protected override writeByte(offset: number, value: number): void {
    if (offset === 0) this.#value = (this.#value & B_REFRESH) | (value & B_KEPT)
  }

  reset(): void {
    this.#value = 0
  }

  save(): SystemControlState {
    return { version: 1, value: this.#value }
  }

  restore(state: SystemControlState): void {
    this.#value = new StateReader('system control port B', state, 1).bits('value', B_KEPT | B_REFRESH)
  }
}
