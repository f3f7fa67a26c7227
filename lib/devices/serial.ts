import { ValueCell } from '../bus/cells.js'
import type { Stateful } from '../bus/device.js'
import { type InterruptLine, InterruptOutput, UNCONNECTED } from '../bus/interrupt-line.js'
import { checkBytes, checkInteger, checkOptions } from '../validate.js'
import { ByteDevice } from './byte-access.js'
import type { Output } from './output-buffer.js'
import { type ModemLines, type OutputLines, SerialModem } from './serial-modem.js'
import { SerialReceiver } from './serial-receiver.js'
import * as R from './serial-registers.js'
import { readSerialState, type SerialState } from './serial-state.js'

export interface SerialOptions {
  /** The UART's interrupt: GSI 4 for COM1 and COM3, 3 for COM2 and COM4. */
  interrupt?: InterruptLine
  /** Takes what the guest sends; see `OutputBuffer` for one that collects and is bounded. Default: it is lost. */
  output?: Output
  /** Called when the guest has read enough for {@link Serial.receive} to take more, after it had to refuse some. */
  onDrain?: () => void
  /** How many received bytes wait behind the FIFO, at most. Default: 1024. */
  receiveBuffer?: number
}

/** A 16550A UART: 8 ports from 0x3f8 for COM1. A character is sent in no time, whatever the divisor says. */
export class Serial extends ByteDevice implements Stateful<SerialState> {
  readonly #interrupt: InterruptOutput
  readonly #output: Output
  readonly #onDrain: () => void
  readonly #receiver: SerialReceiver
  readonly #modem = new SerialModem()
  readonly #byte = new Uint8Array(1)
  #interruptEnable = 0
  #lineControl = 0
  #scratch = 0
  #divisor = R.DEFAULT_DIVISOR
  // The transmitter is always empty; this is the interrupt that says that it has become so.
  #emptyPending = false
  // Whether the source has been told that there was no room.
  #refused = false

  // Sending is posted: the transmitter is always empty, so no register shows whether a character has gone yet. In loopback,
  // what is sent shows up in the receiver: it exits then. With DLAB the same offset is the divisor latch; its writes arrive in
  // order, before the next access that exits.
  readonly #sending = new ValueCell({ offset: R.DATA, write: 'post' })
  // Status can be read without an effect, except where a read clears a bit that is set.
  readonly #lineStatusCell = new ValueCell({ offset: R.LSR })
  readonly #modemStatusCell = new ValueCell({ offset: R.MSR })
  readonly cells = [
    this.#sending,
    // A kernel turns the interrupts off and on for each line that it prints.
    new ValueCell({ offset: R.IER, write: 'post' }),
    // Does nothing by itself.
    new ValueCell({ offset: R.LCR, write: 'lazy' }),
    this.#lineStatusCell,
    this.#modemStatusCell,
  ]

  constructor(options: SerialOptions = {}) {
    super()
    checkOptions('options', options, ['interrupt', 'output', 'onDrain', 'receiveBuffer'])
    const { interrupt = UNCONNECTED, output, onDrain, receiveBuffer = 1024 } = options
    this.#interrupt = new InterruptOutput(interrupt)
    this.#output = output ?? (() => undefined)
    this.#onDrain = onDrain ?? (() => undefined)
    this.#receiver = new SerialReceiver(checkInteger('receiveBuffer', receiveBuffer, 1, 2 ** 24))
    this.#updateCells()
  }

  /**
   * Bytes arrive on the line. Returns how many of them were taken; `onDrain` is called when the rest may be tried again. With
   * `receiveBuffer` bytes waiting and the FIFO full, it takes none: hold the source back then.
   */
  receive(bytes: Uint8Array): number {
    checkBytes('bytes', bytes)
    let taken = 0
    // The FIFO makes room behind it.
    for (let more = -1; more !== 0 && taken < bytes.length; taken += more) {
      more = this.#receiver.backlog.push(bytes.subarray(taken))
      if (!this.#modem.loopback) this.#receiver.fill()
    }
    this.#refused = taken < bytes.length
    this.#update()
    return taken
  }

  /** The line is held low for longer than a character: a break, after the bytes that have reached the FIFO. */
  receiveBreak(): void {
    if (this.#modem.loopback) return
    this.#receiver.push(0, R.LSR_BREAK)
    this.#update()
  }

  /** The modem at the other end changes its lines; those left out stay. At first all but the ring indicator are asserted. */
  setModemLines(lines: ModemLines): void {
    this.#modem.setLines(lines)
    this.#update()
  }

  /** What the guest drives: DTR (data terminal ready) and RTS (request to send). In loopback both are off. */
  get outputLines(): OutputLines {
    return this.#modem.outputs
  }

  protected override readByte(offset: number): number {
    const value = this.#readRegister(offset)
    this.#update()
    return value
  }

  protected override writeByte(offset: number, value: number): void {
    this.#writeRegister(offset, value)
    this.#update()
  }

  #readRegister(offset: number): number {
    switch (offset) {
      case R.DATA:
        return this.#dlab ? this.#divisor & 0xff : this.#takeCharacter()
      case R.IER:
        return this.#dlab ? this.#divisor >> 8 : this.#interruptEnable
      case R.IIR:
        return this.#identifyInterrupt()
      case R.LCR:
        return this.#lineControl
      case R.MCR:
        return this.#modem.control
      case R.LSR: {
        const status = this.#lineStatus
        this.#receiver.errors = 0
        return status
      }
      case R.MSR:
        return this.#modem.readStatus()
      case R.SCR:
        return this.#scratch
      default:
        return 0xff
    }
  }

  #writeRegister(offset: number, value: number): void {
    switch (offset) {
      case R.DATA:
        if (this.#dlab) this.#divisor = (this.#divisor & 0xff00) | value
        else this.#transmit(value)
        return
      case R.IER:
        if (this.#dlab) this.#divisor = (this.#divisor & 0xff) | (value << 8)
        else this.#enableInterrupts(value & R.IER_MASK)
        return
      case R.FCR:
        this.#controlFifo(value)
        return
      case R.LCR:
        this.#lineControl = value
        return
      case R.MCR:
        this.#modem.setControl(value)
        if (!this.#modem.loopback) this.#receiver.fill()
        return
      case R.SCR:
        this.#scratch = value
        return
      default: // LSR and MSR are for the factory's tests only (sections 8.4 and 8.8).
    }
  }

  #takeCharacter(): number {
    const byte = this.#receiver.take()
    if (!this.#modem.loopback) this.#receiver.fill()
    return byte
  }

  #transmit(byte: number): void {
    if (this.#modem.loopback) {
      this.#receiver.push(byte)
    } else {
      this.#byte[0] = byte
      this.#output(this.#byte)
    }
    this.#emptyPending = true
  }

  #enableInterrupts(enabled: number): void {
    // Enabling the interrupt while the holding register is empty raises it; drivers test for that.
    if ((enabled & ~this.#interruptEnable & R.IER_THR_EMPTY) !== 0) this.#emptyPending = true
    this.#interruptEnable = enabled
  }

  #controlFifo(value: number): void {
    this.#receiver.setFifo((value & R.FCR_ENABLE) !== 0)
    // Section 8.5: the other bits count only together with FCR0.
    if ((value & R.FCR_ENABLE) === 0) this.#receiver.trigger = R.TRIGGER_LEVELS[0]
    else {
      this.#receiver.trigger = R.TRIGGER_LEVELS[value >> R.FCR_TRIGGER_SHIFT] ?? R.TRIGGER_LEVELS[0]
      if ((value & R.FCR_CLEAR_RECEIVER) !== 0) this.#receiver.clear()
    }
    if (!this.#modem.loopback) this.#receiver.fill()
  }

  #identifyInterrupt(): number {
    const source = this.#interruptSource
    // Section 8.6.2: reading IIR ends this interrupt, if it is the one that is shown.
    if (source === R.IIR_THR_EMPTY) this.#emptyPending = false
    return source | (this.#receiver.fifoEnabled ? R.IIR_FIFOS_ENABLED : 0)
  }

  get #interruptSource(): number {
    const enabled = this.#interruptEnable
    const receiver = this.#receiver
    if ((enabled & R.IER_LINE_STATUS) !== 0 && receiver.errors !== 0) return R.IIR_LINE_STATUS
    if ((enabled & R.IER_RECEIVED) !== 0 && receiver.ready) {
      // The time-out comes after four characters' time on the chip, and at once here: nothing more is on its way.
      return receiver.triggered ? R.IIR_RECEIVED : R.IIR_CHARACTER_TIMEOUT
    }
    if ((enabled & R.IER_THR_EMPTY) !== 0 && this.#emptyPending) return R.IIR_THR_EMPTY
    if ((enabled & R.IER_MODEM_STATUS) !== 0 && this.#modem.deltas !== 0) return R.IIR_MODEM_STATUS
    return R.IIR_NONE
  }

  get #dlab(): boolean {
    return (this.#lineControl & R.LCR_DLAB) !== 0
  }

  get #lineStatus(): number {
    return this.#receiver.status | R.LSR_THR_EMPTY | R.LSR_TRANSMITTER_EMPTY
  }

  #update(): void {
    this.#interrupt.set(this.#interruptSource !== R.IIR_NONE)
    this.#updateCells()
    // Half empty: not a call for each byte. Last, because the source may call receive() again.
    if (this.#refused && this.#receiver.backlog.length <= this.#receiver.backlog.capacity / 2) {
      this.#refused = false
      this.#onDrain()
    }
  }

  /** As new. What waits on the host's side of the wire comes now, and the modem's lines are still as they are. */
  reset(): void {
    this.#interruptEnable = 0
    this.#lineControl = 0
    this.#scratch = 0
    this.#divisor = R.DEFAULT_DIVISOR
    this.#emptyPending = false
    this.#modem.reset()
    this.#receiver.reset()
    this.#interrupt.drive(false)
    this.#update()
  }

  #updateCells(): void {
    this.#sending.write = this.#modem.loopback ? 'exit' : 'post'
    const line = this.#lineStatus
    this.#lineStatusCell.value = (line & R.LSR_ERRORS) === 0 ? line : undefined
    const modem = this.#modem.status
    this.#modemStatusCell.value = (modem & R.MSR_DELTAS) === 0 ? modem : undefined
  }

  save(): SerialState {
    return {
      version: 1,
      interruptEnable: this.#interruptEnable,
      lineControl: this.#lineControl,
      scratch: this.#scratch,
      divisor: this.#divisor,
      emptyPending: this.#emptyPending,
      ...this.#modem.save(),
      ...this.#receiver.save(),
    }
  }

  restore(state: SerialState): void {
    const checked = readSerialState(state, this.#receiver.backlog.capacity)
    this.#interruptEnable = checked.interruptEnable
    this.#lineControl = checked.lineControl
    this.#scratch = checked.scratch
    this.#divisor = checked.divisor
    this.#emptyPending = checked.emptyPending
    this.#modem.restore(checked)
    this.#receiver.restore(checked)
    this.#interrupt.drive(this.#interruptSource !== R.IIR_NONE)
    this.#update()
  }
}
