import { type Clock, monotonicClock, NS_PER_SECOND, type Schedule } from '../bus/clock.js'
import { type Cell, CounterCell } from '../bus/cells.js'
import type { Device, Stateful } from '../bus/device.js'
import { type InterruptLine, InterruptOutput } from '../bus/interrupt-line.js'
import { type Register, Registers } from '../bus/registers.js'
import { checkOptions } from '../validate.js'
import { Alarm } from './alarm.js'
import * as R from './hpet-registers.js'
import { HpetTimer, type HpetTimerState } from './hpet-timer.js'
import { readWords, words } from './hpet-words.js'
import { StateReader, type Versioned } from '../state.js'

export interface HpetOptions {
  /** To which inputs of the I/O APIC its timers can be routed, 0 to 31. Default: none, the guest only reads the counter. */
  lines?: ReadonlyMap<number, InterruptLine>
  /**
   * What takes the places of the PIT's interrupt and the real-time clock's while the guest asks for that. Default: it cannot.
   * Who gives them sees to it that those two are silent meanwhile: `replaced` says when.
   */
  legacy?: { timer: InterruptLine; clock: InterruptLine; replaced: (on: boolean) => void }
  /** Default: the host's monotonic clock. */
  clock?: Clock
  /** For the timers' interrupts. Default: the event loop's timers. */
  schedule?: Schedule
}

export interface HpetState extends Versioned {
  configuration: number
  status: number
  /** Lower half, upper half. */
  counter: number[]
  timers: HpetTimerState[]
}

const COUNTER_BITS = 64
/** Counting from then on is standing still. */
const NEVER = 2n ** 63n
/** No host timer comes sooner: who asks for more gets what has happened meanwhile as one interrupt. */
const SHORTEST_NS = 100_000n
const ALL_TIMERS = (1 << R.TIMERS) - 1

/** The high precision event timers: a counter at 100 MHz and three comparators, one-shot or periodic. 1 KiB at 0xfed00000. */
export class Hpet implements Device, Stateful<HpetState> {
  readonly #lines: ReadonlyMap<number, InterruptOutput>
  readonly #legacy: { outputs: readonly InterruptOutput[]; replaced: (on: boolean) => void } | undefined
  readonly #clock: Clock
  readonly #timers: readonly HpetTimer[]
  readonly #registers: Registers
  // Kernels read it at every turn of theirs.
  readonly #counterCell = new CounterCell({
    ...{ offset: R.MAIN_COUNTER, width: 8, bits: COUNTER_BITS },
    ...{ frequency: Number(NS_PER_SECOND / R.TICK_NS), epoch: NEVER },
  })
  /** Threads count on the host's monotonic clock only. */
  readonly cells: readonly Cell[]
  #configuration = 0
  #status = 0
  // The counter when it was last looked at, and when that was; while it counts, the rest has passed since.
  #counter = 0n
  #since: bigint
  readonly #alarm: Alarm

  constructor(options: HpetOptions = {}) {
    checkOptions('options', options, ['lines', 'legacy', 'clock', 'schedule'])
    const { lines = new Map<number, InterruptLine>(), legacy } = options
    this.#lines = new Map(Array.from(lines, ([number, line]) => [number, new InterruptOutput(line)]))
    if (legacy !== undefined) {
      const outputs = [legacy.timer, legacy.clock].map((line) => new InterruptOutput(line))
      this.#legacy = { outputs, replaced: legacy.replaced }
    }
    this.#clock = options.clock ?? monotonicClock
    this.#alarm = new Alarm(() => {
      this.#refresh()
      this.#arm()
    }, options.schedule)
    this.#since = this.#clock.now()
    this.cells = this.#clock.ahead === undefined ? [] : [this.#counterCell]
    const routes = [...lines.keys()].reduce((mask, line) => (mask | (1 << line)) >>> 0, 0)
    this.#timers = Array.from({ length: R.TIMERS }, () => new HpetTimer(routes))
    this.#registers = new Registers([...this.#generalRegisters(), ...this.#timers.flatMap(timerRegisters)])
  }

  read(offset: number, data: Uint8Array): void {
    this.#refresh()
    this.#registers.read(offset, data)
  }

  write(offset: number, data: Uint8Array): void {
    this.#refresh()
    void this.#registers.write(offset, data)
    this.#showCounter()
    this.#drive()
    this.#arm()
  }

  /** It counts no further until {@link resume}. */
  pause(): void {
    this.#refresh()
    this.#alarm.pause()
  }

  resume(): void {
    if (!this.#alarm.paused) return
    this.#alarm.resume()
    this.#since = this.#clock.now()
    this.#showCounter()
    this.#arm()
  }

  /** Stops its timers for good; for a machine that ends. */
  close(): void {
    this.#alarm.close()
  }

  reset(): void {
    this.#configure(0)
    this.#status = 0
    this.#counter = 0n
    this.#since = this.#clock.now()
    this.#showCounter()
    for (const timer of this.#timers) timer.reset()
    this.#drive()
    this.#alarm.stop()
  }

  save(): HpetState {
    this.#refresh()
    return {
      version: 1,
      configuration: this.#configuration,
      status: this.#status,
      counter: words(this.#counter),
      timers: this.#timers.map((timer) => timer.save()),
    }
  }

  restore(state: HpetState): void {
    const name = 'the high precision event timers'
    const reader = new StateReader(name, state, 1)
    const configuration = reader.bits('configuration', this.#legacy === undefined ? R.ENABLED : R.ENABLED | R.LEGACY)
    const status = reader.bits('status', ALL_TIMERS)
    const counter = readWords(reader, 'counter')
    const states = reader.array('timers', R.TIMERS)
    const take = this.#timers.map((timer, index) => timer.read(new StateReader(name, states[index])))
    this.#configure(configuration)
    this.#status = status
    this.#counter = counter
    this.#since = this.#clock.now()
    this.#showCounter()
    for (const each of take) each()
    this.#drive()
    this.#arm()
  }

  #generalRegisters(): Register[] {
    return [
      {
        name: 'GCAP_ID',
        offset: R.CAPABILITIES,
        width: 8,
        read: () => R.capabilities(this.#legacy !== undefined),
      },
      {
        name: 'GEN_CONF',
        offset: R.CONFIGURATION,
        width: 8,
        read: () => BigInt(this.#configuration),
        write: (value) => {
          this.#configure(Number(value & BigInt(this.#legacy === undefined ? R.ENABLED : R.ENABLED | R.LEGACY)))
        },
      },
      {
        name: 'GINTR_STA',
        offset: R.INTERRUPT_STATUS,
        width: 8,
        rest: 'zeros',
        read: () => BigInt(this.#status),
        write: (value) => {
          this.#status &= ~Number(value & BigInt(ALL_TIMERS))
        },
      },
      {
        name: 'MAIN_CNT',
        offset: R.MAIN_COUNTER,
        width: 8,
        read: () => this.#counter,
        // "Writes to this register should only be done while the counter is halted."
        write: (value) => {
          this.#counter = value
        },
      },
    ]
  }

  #configure(value: number): void {
    if (((value ^ this.#configuration) & R.LEGACY) !== 0) {
      // What was high stays so no longer: the timers are somebody else's now.
      for (const output of this.#outputs) output.set(false)
      this.#configuration = value
      this.#legacy?.replaced((value & R.LEGACY) !== 0)
    }
    this.#configuration = value
  }

  /** What vCPU threads read: it has been set, started or stopped. */
  #showCounter(): void {
    const { ahead } = this.#clock
    if (ahead !== undefined) this.#counterCell.set(this.#counter, this.#counts ? this.#since - ahead : NEVER)
  }

  get #counts(): boolean {
    return (this.#configuration & R.ENABLED) !== 0 && !this.#alarm.silent
  }

  get #outputs(): InterruptOutput[] {
    return [...this.#lines.values(), ...(this.#legacy?.outputs ?? [])]
  }

  /** Where a timer's interrupt goes now. */
  #outputOf(index: number): InterruptOutput | undefined {
    const replacing = (this.#configuration & R.LEGACY) !== 0 ? this.#legacy?.outputs[index] : undefined
    return replacing ?? this.#lines.get(this.#timers[index]?.route ?? -1)
  }

  /** Brings the counter up to date, and what its timers have done meanwhile. */
  #refresh(): void {
    const now = this.#clock.now()
    const ticks = (now - this.#since) / R.TICK_NS
    this.#since += this.#counts ? ticks * R.TICK_NS : now - this.#since
    if (!this.#counts || ticks <= 0n) return
    const before = this.#counter
    const after = before + ticks
    this.#counter = BigInt.asUintN(64, after)
    for (const [index, timer] of this.#timers.entries()) {
      if (!timer.pass(before, after)) continue
      if (timer.isLevel) this.#status |= 1 << index
      else if (timer.interrupts) this.#pulse(index)
    }
    this.#drive()
  }

  #pulse(index: number): void {
    const output = this.#outputOf(index)
    output?.set(true)
    output?.set(false)
  }

  /** Level-triggered ones hold their line while their bit is set. */
  #drive(): void {
    const high = new Set<InterruptOutput>()
    for (const [index, timer] of this.#timers.entries()) {
      const output = this.#outputOf(index)
      const isActive = (this.#status & (1 << index)) !== 0 && timer.isLevel && timer.interrupts
      if (isActive && (this.#configuration & R.ENABLED) !== 0 && output !== undefined) high.add(output)
    }
    for (const output of this.#outputs) output.set(high.has(output))
  }

  /** A host timer for the next match that is to interrupt. */
  #arm(): void {
    this.#alarm.stop()
    if (!this.#counts) return
    const waiting = this.#timers.filter((timer) => timer.interrupts).map((timer) => timer.ticksTo(this.#counter))
    if (waiting.length === 0) return
    const ticks = waiting.reduce((least, each) => (each < least ? each : least))
    const delay = this.#since + ticks * R.TICK_NS - this.#clock.now()
    this.#alarm.set(delay > SHORTEST_NS ? delay : SHORTEST_NS)
  }
}

function timerRegisters(timer: HpetTimer, index: number): Register[] {
  const at = index * R.TIMER_STRIDE
  return [
    {
      name: `T${index}_CONF`,
      offset: R.TIMER_CONFIGURATION + at,
      width: 8,
      read: () => timer.configuration,
      write: (value) => {
        timer.configuration = value
      },
    },
    {
      name: `T${index}_COMP`,
      offset: R.TIMER_COMPARATOR + at,
      width: 8,
      read: () => timer.comparator,
      write: (value) => {
        timer.comparator = value
      },
    },
  ]
}
