import type { Stateful } from '../bus/device.js'
import { type InterruptLine, InterruptOutput, UNCONNECTED } from '../bus/interrupt-line.js'
import { checkOptions } from '../validate.js'
import { Alarm } from './alarm.js'
import { ByteDevice } from './byte-access.js'
import { type Clock, type Schedule, wallClock } from '../bus/clock.js'
import { RtcCells } from './rtc-cells.js'
import { type CmosContents, cmosMemory } from './rtc-memory.js'
import * as R from './rtc-registers.js'
import { alarmMatches, readTime, wholeSecond, writeTime } from './rtc-time.js'
import { StateReader, type Versioned } from '../state.js'

export interface RtcOptions {
  /** The clock's interrupt: GSI 8. */
  interrupt?: InterruptLine
  /** Wall-clock time, in nanoseconds since 1970. It may jump; the guest's clock jumps with it. Default: the host's. */
  clock?: Clock
  /** For the clock's interrupts. Default: the event loop's timers. */
  schedule?: Schedule
  contents?: CmosContents
}

export interface RtcState extends Versioned {
  index: number
  cmos: number[]
  /** How far the guest's clock is ahead of the host's, in ms. */
  offset: number
}

const NS_PER_MS = 1_000_000n
const NS_PER_SECOND = 1e9
const MS_PER_SECOND = 1000
// Data sheet, figure 17 and table 6, for the 32.768 kHz crystal: 244 µs of notice, and 1984 µs of update.
const UPDATE_MS = 0.244 + 1.984
const WALL_CLOCK_RESOLUTION_MS = 1
const SECONDS_PER_DAY = 86_400
// Rates above this one are not worth a host timer each.
const SHORTEST_PERIOD_NS = 1e6
// Well within what a Date holds, whatever the host says
const FARTHEST = 1e15

/** The CMOS real-time clock with 128 bytes of memory: ports 0x70 and 0x71. Most reads in a second come here only once. */
export class Rtc extends ByteDevice implements Stateful<RtcState> {
  readonly #interrupt: InterruptOutput
  readonly #clock: Clock
  readonly #alarm: Alarm
  #index = 0
  #cmos: Uint8Array
  #offset = 0
  // When the flags were last brought up to date: the guest's time.
  #seen: number
  readonly #threads = new RtcCells()
  readonly cells = this.#threads.all

  constructor(options: RtcOptions = {}) {
    super()
    checkOptions('options', options, ['interrupt', 'clock', 'schedule', 'contents'])
    this.#interrupt = new InterruptOutput(options.interrupt ?? UNCONNECTED)
    this.#clock = options.clock ?? wallClock
    this.#alarm = new Alarm(() => {
      this.#refresh()
      this.#arm()
    }, options.schedule)
    this.#cmos = cmosMemory(options.contents ?? {})
    this.#cmos[R.REGISTER_A] = R.A_DEFAULT
    this.#cmos[R.REGISTER_B] = R.B_24_HOURS
    this.#cmos[R.REGISTER_D] = R.D_VALID
    this.#seen = this.#now()
  }

  /** Whether the guest has masked the NMI, by bit 7 of port 0x70. */
  get nmiMasked(): boolean {
    return (this.#written & R.INDEX_NMI_MASKED) !== 0
  }

  /** The index, also if this device has not heard of it yet. */
  get #written(): number {
    return this.#threads.chosen ?? this.#index
  }

  /** What the guest's firmware is to do after a reset: register 0x0f. */
  get shutdownByte(): number {
    return this.#cmos[R.SHUTDOWN] ?? 0
  }

  /** Stops the clock's timer for good; for a machine that ends. */
  close(): void {
    this.#alarm.close()
  }

  /** No interrupts until {@link resume}, and then those of what has happened meanwhile: the time of day went on. */
  pause(): void {
    this.#alarm.pause()
  }

  resume(): void {
    this.#alarm.resume()
    this.#refresh()
    this.#arm()
  }

  protected override readByte(offset: number): number {
    // The index cannot be read back on a PC AT.
    if (offset !== R.DATA) return 0xff
    const register = this.#index & R.INDEX_MASK
    // How long another clock stays within a second is not known.
    if (this.#clock === wallClock) this.#threads.update(register, this.#cmos, () => this.#take())
    return this.#readRegister(register)
  }

  protected override writeByte(offset: number, value: number): void {
    switch (offset) {
      case R.INDEX:
        this.#index = value
        return
      case R.DATA:
        this.#threads.clear()
        this.#writeRegister(this.#index & R.INDEX_MASK, value)
        return
      default:
    }
  }

  #readRegister(register: number): number {
    switch (register) {
      case R.REGISTER_A:
        return (this.#cmos[R.REGISTER_A] ?? 0) | (this.#updating ? R.A_UPDATE_IN_PROGRESS : 0)
      case R.REGISTER_C: {
        this.#refresh()
        const flags = this.#cmos[R.REGISTER_C] ?? 0
        this.#cmos[R.REGISTER_C] = 0
        this.#interrupt.set(false)
        return flags
      }
      default:
        if (R.TIME.includes(register) && !this.#halted) writeTime(this.#cmos, this.#now(), this.#control)
        return this.#cmos[register] ?? 0
    }
  }

  #writeRegister(register: number, value: number): void {
    switch (register) {
      case R.REGISTER_A:
        this.#refresh()
        this.#cmos[R.REGISTER_A] = value & ~R.A_UPDATE_IN_PROGRESS
        break
      case R.REGISTER_B:
        this.#refresh()
        this.#writeControl(value)
        break
      case R.REGISTER_C:
      case R.REGISTER_D:
        return // read only
      default:
        if (!R.TIME.includes(register) || this.#halted) {
          this.#cmos[register] = value
          return
        }
        writeTime(this.#cmos, this.#now(), this.#control)
        this.#cmos[register] = value
        this.#setTime()
    }
    this.#refresh()
    this.#arm()
  }

  #writeControl(value: number): void {
    const wasHalted = this.#halted
    if (!wasHalted) writeTime(this.#cmos, this.#now(), this.#control)
    // Section "SET": while the guest sets the clock, its update interrupt is off.
    this.#cmos[R.REGISTER_B] = (value & R.B_SET) === 0 ? value : value & ~R.B_UPDATE_INTERRUPT
    if (wasHalted && (value & R.B_SET) === 0) this.#setTime()
  }

  get #control(): number {
    return this.#cmos[R.REGISTER_B] ?? 0
  }

  get #halted(): boolean {
    return (this.#control & R.B_SET) !== 0
  }

  get #updating(): boolean {
    return !this.#halted && this.#toUpdate(this.#now()) <= 0
  }

  /** How many milliseconds it is from that time of the guest's until the next update is announced. */
  #toUpdate(now: number): number {
    return (wholeSecond(now) + 1) * MS_PER_SECOND - UPDATE_MS - now
  }

  /** Writes the time into its registers, and returns for how many milliseconds of the wall clock nothing is to change. */
  #take(): number {
    if (this.#halted) return Infinity
    const now = this.#now()
    writeTime(this.#cmos, now, this.#control)
    return this.#toUpdate(now) - WALL_CLOCK_RESOLUTION_MS
  }

  #hostTime(): number {
    const now = this.#clock.now()
    return Number(now / NS_PER_MS) + Number(now % NS_PER_MS) / Number(NS_PER_MS)
  }

  /** The guest's time in ms since 1970. */
  #now(): number {
    return this.#hostTime() + this.#offset
  }

  #setTime(): void {
    this.#offset = readTime(this.#cmos, this.#control) - this.#hostTime()
    this.#seen = this.#now()
  }

  get #periodNs(): number {
    const rate = (this.#cmos[R.REGISTER_A] ?? 0) & R.A_RATE
    if (rate === 0) return 0
    // Data sheet, table 5: the two highest rates are those of 8 and 9.
    const shift = rate <= 2 ? rate + 6 : rate - 1
    return (NS_PER_SECOND * 2 ** shift) / 32_768
  }

  /** Brings the flags up to date, and with them the interrupt. */
  #refresh(): void {
    if (this.#alarm.paused) return
    const now = this.#now()
    const before = Math.min(this.#seen, now)
    this.#seen = now
    let flags = (this.#cmos[R.REGISTER_C] ?? 0) & R.FLAGS
    const first = wholeSecond(before)
    const last = wholeSecond(now)
    if (!this.#halted && last > first) {
      flags |= R.C_UPDATE
      if (this.#alarmBetween(first, last)) flags |= R.C_ALARM
    }
    const periodMs = this.#periodNs / Number(NS_PER_MS)
    if (periodMs > 0 && Math.floor(now / periodMs) > Math.floor(before / periodMs)) flags |= R.C_PERIODIC
    const raised = (flags & this.#control & R.FLAGS) !== 0
    this.#cmos[R.REGISTER_C] = flags | (raised ? R.C_INTERRUPT : 0)
    this.#interrupt.set(raised)
  }

  /** Whether a second after `first`, up to `last`, is the alarm's. Alarms repeat every day. */
  #alarmBetween(first: number, last: number): boolean {
    if ((this.#control & R.B_ALARM_INTERRUPT) === 0 && last - first > 1) return false
    for (let second = Math.max(first + 1, last - SECONDS_PER_DAY); second <= last; second++) {
      if (alarmMatches(this.#cmos, second * MS_PER_SECOND, this.#control)) return true
    }
    return false
  }

  /** A timer for the next event that is to interrupt. */
  #arm(): void {
    this.#alarm.stop()
    const enabled = this.#control & R.FLAGS
    const perSecond = !this.#halted && (enabled & (R.B_UPDATE_INTERRUPT | R.B_ALARM_INTERRUPT)) !== 0
    const period = (enabled & R.B_PERIODIC_INTERRUPT) !== 0 ? this.#periodNs : 0
    if (!perSecond && period === 0) return
    const now = this.#now()
    const toSecond = ((wholeSecond(now) + 1) * MS_PER_SECOND - now) * Number(NS_PER_MS)
    const delay = Math.min(
      perSecond ? toSecond : Infinity,
      period > 0 ? Math.max(period, SHORTEST_PERIOD_NS) : Infinity,
    )
    this.#alarm.set(BigInt(Math.ceil(delay)))
  }

  /**
   * Data sheet, "RESET": interrupts are disabled and forgotten; time and memory, which have a battery, stay as they are, and so
   * does how the guest wants to see them.
   */
  reset(): void {
    this.#threads.clear()
    this.#index = 0
    this.#cmos[R.REGISTER_B] = this.#control & ~R.B_RESET
    this.#cmos[R.REGISTER_C] = 0
    this.#seen = this.#now()
    this.#interrupt.drive(false)
    this.#arm()
  }

  save(): RtcState {
    this.#refresh()
    if (!this.#halted) writeTime(this.#cmos, this.#now(), this.#control)
    return { version: 1, index: this.#written, cmos: [...this.#cmos], offset: this.#offset }
  }

  restore(state: RtcState): void {
    const reader = new StateReader('the real-time clock', state, 1)
    const index = reader.integer('index', 0xff)
    const cmos = reader.integers('cmos', R.CMOS_SIZE, 0xff, true)
    const offset = reader.number('offset', FARTHEST)
    this.#threads.clear()
    this.#index = index
    this.#cmos = Uint8Array.from(cmos)
    this.#cmos[R.REGISTER_D] = R.D_VALID
    this.#offset = offset
    this.#seen = this.#now()
    this.#interrupt.drive(((this.#cmos[R.REGISTER_C] ?? 0) & R.C_INTERRUPT) !== 0)
    this.#arm()
  }
}
