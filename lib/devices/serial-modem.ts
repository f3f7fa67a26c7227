import { checkBoolean, checkOptions } from '../validate.js'
import * as R from './serial-registers.js'
import type { ModemState } from './serial-state.js'

/** The inputs of the UART that a modem drives. True: asserted. */
export interface ModemLines {
  clearToSend?: boolean
  dataSetReady?: boolean
  ringIndicator?: boolean
  carrierDetect?: boolean
}

/** The outputs of the UART that the guest drives. True: asserted. */
export interface OutputLines {
  dataTerminalReady: boolean
  requestToSend: boolean
}

const LINES = {
  clearToSend: R.MSR_CTS,
  dataSetReady: R.MSR_DSR,
  ringIndicator: R.MSR_RI,
  carrierDetect: R.MSR_DCD,
} satisfies Record<keyof ModemLines, number>

/** The modem half of the UART: the control register, the input lines, and which of them have changed. */
export class SerialModem {
  control = 0
  deltas = 0
  #lines = R.MSR_CTS | R.MSR_DSR | R.MSR_DCD

  get loopback(): boolean {
    return (this.control & R.MCR_LOOPBACK) !== 0
  }

  get status(): number {
    return this.#visible | this.deltas
  }

  /** Section 8.8: reading the status register clears its lower half. */
  readStatus(): number {
    const status = this.status
    this.deltas = 0
    return status
  }

  get outputs(): OutputLines {
    // Section 8.7: in loopback the pins are inactive.
    const pins = this.loopback ? 0 : this.control
    return { dataTerminalReady: (pins & R.MCR_DTR) !== 0, requestToSend: (pins & R.MCR_RTS) !== 0 }
  }

  setControl(value: number): void {
    const before = this.#visible
    this.control = value & R.MCR_MASK
    this.#noteChange(before)
  }

  setLines(lines: ModemLines): void {
    checkOptions('lines', lines, Object.keys(LINES))
    let next = this.#lines
    for (const [name, bit] of Object.entries(LINES) as [keyof ModemLines, number][]) {
      const asserted = lines[name]
      if (asserted !== undefined) next = checkBoolean(name, asserted) ? next | bit : next & ~bit
    }
    const before = this.#visible
    this.#lines = next
    this.#noteChange(before)
  }

  reset(): void {
    this.control = 0
    this.deltas = 0
  }

  save(): ModemState {
    return { modemControl: this.control, modemLines: this.#lines, modemDeltas: this.deltas }
  }

  restore(state: ModemState): void {
    this.control = state.modemControl
    this.#lines = state.modemLines
    this.deltas = state.modemDeltas
  }

  /** The modem's lines, or in loopback the UART's own outputs (section 8.7). */
  get #visible(): number {
    if (!this.loopback) return this.#lines
    return (
      ((this.control & R.MCR_RTS) !== 0 ? R.MSR_CTS : 0) |
      ((this.control & R.MCR_DTR) !== 0 ? R.MSR_DSR : 0) |
      ((this.control & R.MCR_OUT1) !== 0 ? R.MSR_RI : 0) |
      ((this.control & R.MCR_OUT2) !== 0 ? R.MSR_DCD : 0)
    )
  }

  #noteChange(before: number): void {
    const after = this.#visible
    const changed = before ^ after
    if ((changed & R.MSR_CTS) !== 0) this.deltas |= R.MSR_DELTA_CTS
    if ((changed & R.MSR_DSR) !== 0) this.deltas |= R.MSR_DELTA_DSR
    if ((changed & ~after & R.MSR_RI) !== 0) this.deltas |= R.MSR_TRAILING_EDGE_RI
    if ((changed & R.MSR_DCD) !== 0) this.deltas |= R.MSR_DELTA_DCD
  }
}
