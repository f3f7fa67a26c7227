import { ValueCell } from '../bus/cells.js'
import type { Stateful } from '../bus/device.js'
import { type InterruptLine, InterruptOutput, UNCONNECTED } from '../bus/interrupt-line.js'
import { checkBytes, checkOptions } from '../validate.js'
import { ByteDevice } from './byte-access.js'
import * as R from './i8042-registers.js'
import { I8042Output } from './i8042-output.js'
import { type I8042State, readI8042State } from './i8042-state.js'
import { Keyboard } from './keyboard.js'

export interface I8042Options {
  /** The keyboard's interrupt: GSI 1. */
  interrupt?: InterruptLine
  /** The guest pulls the processor's reset line. */
  reset?: () => void
  /** The guest drives the A20 gate. KVM's guests have no A20 gate: it is always open. */
  a20?: (open: boolean) => void
}

/**
 * The keyboard controller with a keyboard, and no mouse. Mapped at port 0x60 for 5 ports, or, when port 0x61 belongs to
 * something else, at 0x60 and, with `offset: 4`, at 0x64 for one port each.
 */
export class I8042 extends ByteDevice implements Stateful<I8042State> {
  readonly #interrupt: InterruptOutput
  readonly #reset: () => void
  readonly #a20: (open: boolean) => void
  #keyboard = new Keyboard()
  #output = new I8042Output()
  // Reading it has no effect.
  readonly #statusCell = new ValueCell({ offset: R.COMMAND })
  readonly cells = [this.#statusCell]
  #ram = new Uint8Array(R.RAM_SIZE)
  #outputPort = R.OUTPUT_PORT_DEFAULT
  #pending = 0
  #lastWriteWasCommand = false

  constructor(options: I8042Options = {}) {
    super()
    checkOptions('options', options, ['interrupt', 'reset', 'a20'])
    this.#interrupt = new InterruptOutput(options.interrupt ?? UNCONNECTED)
    this.#reset = options.reset ?? (() => undefined)
    this.#a20 = options.a20 ?? (() => undefined)
    this.#ram[0] = R.CONFIG_DEFAULT
    this.#statusCell.value = this.#status
  }

  /** As new, and the keyboard too. */
  reset(): void {
    this.#keyboard = new Keyboard()
    this.#output = new I8042Output()
    this.#ram.fill(0)
    this.#ram[0] = R.CONFIG_DEFAULT
    this.#pending = 0
    this.#lastWriteWasCommand = false
    this.#driveOutputPort(R.OUTPUT_PORT_DEFAULT)
    this.#interrupt.drive(false)
    this.#update()
  }

  /**
   * A key is pressed or released: its scan codes of set 2, which the controller translates for the guest (`0x1c` presses A,
   * `0xf0 0x1c` releases it). All are taken, or, with a full keyboard, none: try again later. A keyboard that the guest has
   * switched off takes and forgets them.
   */
  sendScancodes(codes: Uint8Array): boolean {
    checkBytes('codes', codes)
    const taken = this.#keyboard.press(codes)
    this.#update()
    return taken
  }

  /** The keyboard's lamps, as the guest has set them. */
  get leds(): { scrollLock: boolean; numLock: boolean; capsLock: boolean } {
    const { leds } = this.#keyboard
    return { scrollLock: (leds & 1) !== 0, numLock: (leds & 2) !== 0, capsLock: (leds & 4) !== 0 }
  }

  protected override readByte(offset: number): number {
    switch (offset) {
      case R.DATA:
        return this.#takeData()
      case R.COMMAND:
        return this.#status
      default:
        return 0xff
    }
  }

  protected override writeByte(offset: number, value: number): void {
    switch (offset) {
      case R.DATA:
        this.#lastWriteWasCommand = false
        this.#data(value)
        break
      case R.COMMAND:
        this.#lastWriteWasCommand = true
        this.#pending = 0
        this.#command(value)
        break
      default:
        return
    }
    this.#update()
  }

  get #config(): number {
    return this.#ram[0] ?? 0
  }

  #configure(clear: number, set: number): void {
    this.#ram[0] = (this.#config & ~clear) | set
  }

  get #status(): number {
    return (
      (this.#output.full ? R.STATUS_OUTPUT_FULL : 0) |
      ((this.#config & R.CONFIG_SYSTEM) !== 0 ? R.STATUS_SYSTEM : 0) |
      (this.#lastWriteWasCommand ? R.STATUS_COMMAND : 0) |
      R.STATUS_UNLOCKED |
      (this.#output.fromAux ? R.STATUS_AUX_DATA : 0)
    )
  }

  #takeData(): number {
    const byte = this.#output.take()
    // The controllers are edge-triggered: each byte has an edge of its own.
    this.#interrupt.set(false)
    this.#update()
    return byte
  }

  #command(command: number): void {
    if (command >= R.PULSE_OUTPUT_PORT) {
      if ((command & R.OUTPUT_PORT_NO_RESET) === 0) this.#reset()
      return
    }
    if (command >= R.READ_RAM && command <= R.READ_RAM_LAST) {
      this.#output.reply(this.#ram[command - R.READ_RAM] ?? 0)
      return
    }
    if ((command >= R.WRITE_RAM && command <= R.WRITE_RAM_LAST) || R.HAS_PARAMETER.includes(command)) {
      this.#pending = command
      return
    }
    switch (command) {
      case R.DISABLE_AUX:
        this.#configure(0, R.CONFIG_AUX_DISABLED)
        return
      case R.ENABLE_AUX:
        this.#configure(R.CONFIG_AUX_DISABLED, 0)
        return
      case R.TEST_AUX:
        this.#output.reply(R.TEST_AUX_ABSENT)
        return
      case R.SELF_TEST:
        this.#configure(0, R.CONFIG_SYSTEM)
        this.#output.reply(R.SELF_TEST_PASSED)
        return
      case R.TEST_KEYBOARD:
        this.#output.reply(R.TEST_PASSED)
        return
      case R.DISABLE_KEYBOARD:
        this.#configure(0, R.CONFIG_KEYBOARD_DISABLED)
        return
      case R.ENABLE_KEYBOARD:
        this.#configure(R.CONFIG_KEYBOARD_DISABLED, 0)
        return
      case R.READ_INPUT_PORT:
        this.#output.reply(R.INPUT_PORT)
        return
      case R.READ_OUTPUT_PORT:
        this.#output.reply(this.#outputPort | (this.#output.full ? R.OUTPUT_PORT_OUTPUT_FULL : 0))
        return
      case R.READ_TEST_INPUTS:
        this.#output.reply(0)
        return
      default: // The controller ignores what it does not know.
    }
  }

  #data(value: number): void {
    const pending = this.#pending
    this.#pending = 0
    switch (pending) {
      case 0:
        // A byte for the keyboard opens its clock line.
        this.#configure(R.CONFIG_KEYBOARD_DISABLED, 0)
        this.#keyboard.command(value)
        return
      case R.WRITE_OUTPUT_PORT:
        this.#writeOutputPort(value)
        return
      case R.WRITE_KEYBOARD_BUFFER:
        this.#output.reply(value)
        return
      case R.WRITE_AUX_BUFFER:
        // Not marked as the auxiliary device's: so a driver sees at once that there is none.
        this.#output.reply(value)
        return
      case R.WRITE_AUX:
        this.#output.reply(R.AUX_NO_ANSWER, true)
        return
      default:
        this.#ram[pending - R.WRITE_RAM] = value
    }
  }

  #writeOutputPort(value: number): void {
    this.#driveOutputPort(value)
    if ((value & R.OUTPUT_PORT_NO_RESET) === 0) {
      this.#outputPort |= R.OUTPUT_PORT_NO_RESET
      this.#reset()
    }
  }

  #driveOutputPort(value: number): void {
    const changed = this.#outputPort ^ value
    this.#outputPort = value & ~R.OUTPUT_PORT_OUTPUT_FULL
    if ((changed & R.OUTPUT_PORT_A20) !== 0) this.#a20((value & R.OUTPUT_PORT_A20) !== 0)
  }

  /** Moves a byte from the keyboard into the output buffer if it is free; brings status and interrupt up to date. */
  #update(): void {
    if ((this.#config & R.CONFIG_KEYBOARD_DISABLED) === 0) {
      this.#output.fetch(this.#keyboard, (this.#config & R.CONFIG_TRANSLATE) !== 0)
    }
    // First: the interrupt's handler reads it.
    this.#statusCell.value = this.#status
    this.#interrupt.set(this.#interruptLevel)
  }

  get #interruptLevel(): boolean {
    return this.#output.full && !this.#output.fromAux && (this.#config & R.CONFIG_KEYBOARD_INTERRUPT) !== 0
  }

  save(): I8042State {
    return {
      version: 1,
      ram: [...this.#ram],
      outputPort: this.#outputPort,
      pendingCommand: this.#pending,
      lastWriteWasCommand: this.#lastWriteWasCommand,
      ...this.#output.save(),
      keyboard: this.#keyboard.save(),
    }
  }

  restore(state: I8042State): void {
    const checked = readI8042State(state)
    this.#ram = Uint8Array.from(checked.ram)
    this.#outputPort = checked.outputPort
    this.#pending = checked.pendingCommand
    this.#lastWriteWasCommand = checked.lastWriteWasCommand
    this.#output.restore(checked)
    this.#keyboard.restore(checked.keyboard)
    this.#interrupt.drive(this.#interruptLevel)
    this.#update()
  }
}
