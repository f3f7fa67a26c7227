import { ByteRing } from './byte-ring.js'
import type { ReceiverState } from './serial-state.js'
import {
  FIFO_DEPTH,
  LSR_DATA_READY,
  LSR_ERROR_IN_FIFO,
  LSR_ERRORS,
  LSR_OVERRUN,
  TRIGGER_LEVELS,
} from './serial-registers.js'

// A received character: its byte, and above it the error bits of LSR that came with it.
const ENTRY_FLAGS_SHIFT = 8

/**
 * The receiving half of the UART: its FIFO, the error bits of the line status register, and behind the FIFO, on the host's
 * side of the wire, the bytes that have no room in it yet.
 */
export class SerialReceiver {
  readonly backlog: ByteRing
  fifoEnabled = false
  trigger: number = TRIGGER_LEVELS[0]
  /** Errors that LSR shows until it is read. */
  errors = 0
  fifo: number[] = []
  #last = 0

  constructor(backlog: number) {
    this.backlog = new ByteRing(backlog)
  }

  get ready(): boolean {
    return this.fifo.length > 0
  }

  /** Whether there are as many characters as the trigger level wants. */
  get triggered(): boolean {
    return this.fifo.length >= (this.fifoEnabled ? this.trigger : 1)
  }

  /** The receiver's bits of LSR. */
  get status(): number {
    const marked = this.fifoEnabled && this.fifo.some((entry) => entry >> ENTRY_FLAGS_SHIFT !== 0)
    return (this.ready ? LSR_DATA_READY : 0) | this.errors | (marked ? LSR_ERROR_IN_FIFO : 0)
  }

  get #depth(): number {
    return this.fifoEnabled ? FIFO_DEPTH : 1
  }

  /** A character arrives, room or not. */
  push(byte: number, flags = 0): void {
    const full = this.fifo.length >= this.#depth
    if (full) this.errors |= LSR_OVERRUN
    // Section 8.4: without FIFO the new character destroys the old one; with it the new one is lost.
    if (full && this.fifoEnabled) return
    if (full) this.fifo.length = 0
    this.fifo.push(byte | (flags << ENTRY_FLAGS_SHIFT))
    if (this.fifo.length === 1) this.#reveal()
  }

  /** Moves waiting bytes into the FIFO while there is room. */
  fill(): void {
    while (this.fifo.length < this.#depth) {
      const byte = this.backlog.shift()
      if (byte === undefined) return
      this.push(byte)
    }
  }

  /** The guest takes a character. With none there, it sees the last one again. */
  take(): number {
    const entry = this.fifo.shift()
    if (entry === undefined) return this.#last
    this.#last = entry & 0xff
    this.#reveal()
    return this.#last
  }

  setFifo(enabled: boolean): void {
    // Section 8.5: changing FCR0 empties the FIFOs.
    if (enabled !== this.fifoEnabled) this.clear()
    this.fifoEnabled = enabled
  }

  clear(): void {
    this.fifo.length = 0
  }

  reset(): void {
    this.fifoEnabled = false
    this.trigger = TRIGGER_LEVELS[0]
    this.errors = 0
    this.clear()
    this.#last = 0
    this.fill()
  }

  save(): ReceiverState {
    return {
      fifoEnabled: this.fifoEnabled,
      trigger: this.trigger,
      errors: this.errors,
      fifo: [...this.fifo],
      lastReceived: this.#last,
      backlog: this.backlog.toArray(),
    }
  }

  restore(state: ReceiverState): void {
    this.fifoEnabled = state.fifoEnabled
    this.trigger = state.trigger
    this.errors = state.errors
    this.fifo = [...state.fifo]
    this.#last = state.lastReceived
    this.backlog.clear()
    this.backlog.push(state.backlog)
  }

  // Section 8.4: a character's errors show when it is at the top of the FIFO.
  #reveal(): void {
    const top = this.fifo[0] ?? 0
    this.errors |= (top >> ENTRY_FLAGS_SHIFT) & LSR_ERRORS
    if (this.fifo.length > 0) this.fifo[0] = top & 0xff
  }
}
