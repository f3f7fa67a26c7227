import { type Cell, CounterCell, ValueCell } from '../bus/cells.js'
import type { Device, Stateful } from '../bus/device.js'
import { type InterruptLine, InterruptOutput, UNCONNECTED } from '../bus/interrupt-line.js'
import { Registers } from '../bus/registers.js'
import { checkOptions, invalidArgument } from '../validate.js'
import { Alarm } from './alarm.js'
import * as R from './acpi-pm-registers.js'
import { type Clock, monotonicClock, type Schedule } from '../bus/clock.js'
import { PmTimer } from './pm-timer.js'
import { StateReader, type Versioned } from '../state.js'

export interface AcpiPmOptions {
  /** The system control interrupt: level-triggered, active high; GSI 9 by custom. */
  interrupt?: InterruptLine
  /** The guest enters S5. */
  powerOff?: () => void
  /** The guest writes the reset register. */
  reset?: () => void
  /** The guest enters another sleep state, by its SLP_TYP. Default: nothing happens, the guest goes on. */
  sleep?: (type: number) => void
  /** The guest's time: the timer counts on it. Default: the host's monotonic clock. */
  clock?: Clock
  /** For the timer's interrupt. Default: the event loop's timers. */
  schedule?: Schedule
  /** The timer's width; the FADT's TMR_VAL_EXT says it to the guest. Default: 32. */
  timerBits?: 24 | 32
}

export interface AcpiPmState extends Versioned {
  status: number
  enable: number
  control: number
  timer: number
}

const STATUS = R.TIMER_STATUS | R.POWER_BUTTON_STATUS | R.SLEEP_BUTTON_STATUS
const PM1_LENGTH = 2

/** ACPI's fixed hardware: events with the SCI, power button, sleep, reset register, timer. 20 ports, anywhere. */
export class AcpiPm implements Device, Stateful<AcpiPmState> {
  readonly #interrupt: InterruptOutput
  readonly #powerOff: () => void
  readonly #reset: () => void
  readonly #sleep: (type: number) => void
  readonly #alarm: Alarm
  readonly #timer: PmTimer
  readonly #timerMask: number
  #seenHalfTurns = 0n
  #status = 0
  #enable = 0
  #control = R.SCI_ENABLE
  // They change by the guest's own writes only. The status does not: that the timer's highest bit has changed is found out
  // when the guest reads it.
  readonly #enableCell = new ValueCell({ offset: R.PM1_ENABLE, width: PM1_LENGTH })
  readonly #controlCell = new ValueCell({ offset: R.PM1_CONTROL, width: PM1_LENGTH })
  // Kernels read the timer thousands of times to calibrate others.
  readonly #timerCell: CounterCell | undefined
  readonly cells: readonly Cell[]

  // No event is pending or enabled among the GPEs: like all between the registers, they read as zero.
  readonly #registers = new Registers([
    {
      ...{ name: 'PM1_STATUS', offset: R.PM1_STATUS, width: PM1_LENGTH, rest: 'zeros' },
      read: () => this.#status,
      write: (ones: number) => (this.#status &= ~ones),
    },
    {
      ...{ name: 'PM1_ENABLE', offset: R.PM1_ENABLE, width: PM1_LENGTH },
      read: () => this.#enable,
      write: (value: number) => (this.#enable = value & R.PM1_ENABLE_MASK),
    },
    {
      ...{ name: 'PM1_CONTROL', offset: R.PM1_CONTROL, width: PM1_LENGTH },
      read: () => this.#control,
      write: (value: number) => {
        this.#writeControl(value)
      },
    },
    { name: 'PM_TMR', offset: R.PM_TIMER, width: R.PM_TIMER_LENGTH, read: () => this.#timer.value },
    {
      ...{ name: 'RESET_REG', offset: R.RESET, width: 1 },
      write: (value: number) => {
        if (value === R.RESET_VALUE) this.#reset()
      },
    },
  ])

  constructor(options: AcpiPmOptions = {}) {
    checkOptions('options', options, [...['interrupt', 'powerOff', 'reset', 'sleep', 'clock', 'schedule', 'timerBits']])
    const { timerBits = 32 } = options
    if (![24, 32].includes(timerBits)) throw invalidArgument('timerBits', timerBits, '24 or 32')
    this.#interrupt = new InterruptOutput(options.interrupt ?? UNCONNECTED)
    this.#powerOff = options.powerOff ?? (() => undefined)
    this.#reset = options.reset ?? (() => undefined)
    this.#sleep = options.sleep ?? (() => undefined)
    this.#alarm = new Alarm(() => {
      this.#refresh()
      this.#update()
    }, options.schedule)
    this.#timer = new PmTimer(options.clock ?? monotonicClock, timerBits)
    this.#timerMask = 2 ** timerBits - 1
    const { start } = this.#timer
    // Threads count on the host's monotonic clock only.
    if (start !== undefined) {
      this.#timerCell = new CounterCell({ offset: R.PM_TIMER, width: R.PM_TIMER_LENGTH, ...start })
    }
    const steady = [this.#enableCell, this.#controlCell]
    this.cells = this.#timerCell === undefined ? steady : [...steady, this.#timerCell]
    this.#updateCells()
  }

  /** The user presses the power button. Returns whether the guest has asked to be told. */
  pressPowerButton(): boolean {
    return this.#press(R.POWER_BUTTON_STATUS)
  }

  pressSleepButton(): boolean {
    return this.#press(R.SLEEP_BUTTON_STATUS)
  }

  /** Stops the timer's timer for good; for a machine that ends. */
  close(): void {
    this.#alarm.close()
  }

  /** No interrupt until {@link resume}. Whether the timer stands still is the clock's affair. */
  pause(): void {
    this.#alarm.pause()
  }

  resume(): void {
    this.#alarm.resume()
    this.#startCounter()
    this.#refresh()
    this.#update()
  }

  read(offset: number, data: Uint8Array): void {
    this.#refresh()
    this.#registers.read(offset, data)
  }

  write(offset: number, data: Uint8Array): void {
    this.#refresh()
    void this.#registers.write(offset, data)
    this.#updateCells()
    this.#update()
  }

  #press(button: number): boolean {
    this.#status |= button
    this.#update()
    return (this.#enable & button) !== 0
  }

  #writeControl(value: number): void {
    this.#control = (value & R.PM1_CONTROL_KEPT) | R.SCI_ENABLE
    if ((value & R.SLEEP_ENABLE) === 0) return
    this.#updateCells()
    const type = (value >> R.SLEEP_TYPE_SHIFT) & R.SLEEP_TYPE_MASK
    if (type === R.SLEEP_TYPE_S5) this.#powerOff()
    else this.#sleep(type)
  }

  /** Before anybody can hear that they have changed. */
  #updateCells(): void {
    this.#enableCell.value = this.#enable
    this.#controlCell.value = this.#control
  }

  #startCounter(): void {
    const { start } = this.#timer
    if (start !== undefined) this.#timerCell?.set(start.value, start.epoch)
  }

  /** Notes whether the timer's highest bit has changed since the last look. */
  #refresh(): void {
    const halfTurns = this.#timer.halfTurns
    if (halfTurns === this.#seenHalfTurns) return
    this.#seenHalfTurns = halfTurns
    this.#status |= R.TIMER_STATUS
    this.#interrupt.set(this.#interruptLevel)
  }

  #update(): void {
    this.#interrupt.set(this.#interruptLevel)
    // Once its status is set, there is nothing to wait for until the guest clears it.
    if ((this.#enable & ~this.#status & R.TIMER_STATUS) === 0) this.#alarm.stop()
    else this.#alarm.set(this.#timer.untilHalfTurn)
  }

  get #interruptLevel(): boolean {
    return (this.#status & this.#enable) !== 0
  }

  reset(): void {
    this.#enter({ status: 0, enable: 0, control: R.SCI_ENABLE, timer: 0 })
  }

  save(): AcpiPmState {
    this.#refresh()
    return { version: 1, status: this.#status, enable: this.#enable, control: this.#control, timer: this.#timer.value }
  }

  restore(state: AcpiPmState): void {
    const reader = new StateReader('ACPI power management', state, 1)
    this.#enter({
      status: reader.bits('status', STATUS),
      enable: reader.bits('enable', R.PM1_ENABLE_MASK),
      control: reader.bits('control', R.PM1_CONTROL_KEPT, R.SCI_ENABLE),
      timer: reader.integer('timer', this.#timerMask),
    })
  }

  #enter({ status, enable, control, timer }: Omit<AcpiPmState, 'version'>): void {
    this.#status = status
    this.#enable = enable
    this.#control = control
    this.#timer.value = timer
    this.#seenHalfTurns = this.#timer.halfTurns
    this.#startCounter()
    this.#updateCells()
    this.#interrupt.drive(this.#interruptLevel)
    this.#update()
  }
}
