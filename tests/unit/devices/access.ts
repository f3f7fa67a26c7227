import type { CellPlace } from '../../../lib/bus/cells.js'
import { type BankCell, CounterCell, type Device, type InterruptLine, ValueCell } from '../../../lib/bus/index.js'
import type { Clock, Schedule } from '../../../lib/devices/index.js'

/** A device's registers, as its guest uses them: little-endian, a byte wide unless said otherwise. */
export const registers = (device: Device) => ({
  read: (offset: number, width = 1): number => {
    const data = new Uint8Array(width)
    void device.read(offset, data)
    return Number(data.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n))
  },
  write: (offset: number, value: number, width = 1): void => {
    void device.write(
      offset,
      Uint8Array.from({ length: width }, (_, index) => Number((BigInt(value) >> BigInt(8 * index)) & 0xffn)),
    )
  },
})

/** An interrupt line that keeps its level and every level that it was set to. */
export function interruptLine(): InterruptLine & { level: boolean; levels: boolean[] } {
  const line = {
    level: false,
    levels: [] as boolean[],
    set(level: boolean) {
      line.level = level
      line.levels.push(level)
    },
  }
  return line
}

/** What vCPU threads would do for a device: which writes are posted, and what reads find. */
export function threads(device: Device) {
  const cells = device.cells ?? []
  const values = cells.filter((cell) => cell instanceof ValueCell).filter(({ value }) => value !== undefined)
  return {
    posted: cells.filter(({ write }) => write !== 'exit').map(({ offset, width, write }) => ({ offset, width, write })),
    values: new Map(values.map((cell) => [cell.offset, { value: cell.value, width: cell.width }])),
    counters: cells.filter((cell) => cell instanceof CounterCell),
  }
}

/** What a read at that offset finds; undefined: it exits. */
export const valueAt = (device: Device, offset: number): bigint | undefined => threads(device).values.get(offset)?.value

/** A place for a bank of values, as a VM has them. */
export function bankPlace(bank: BankCell) {
  const entries = new Map<number, { value: number; until: bigint }>()
  const place: CellPlace & { chosen: number | undefined } = {
    chosen: undefined,
    setWrite: () => undefined,
    setValue: () => undefined,
    count: () => undefined,
    openBank: () => undefined,
    setEntry: (index, value, until) => void entries.set(index, { value, until }),
    clearBank() {
      entries.clear()
      place.chosen = undefined
    },
  }
  bank.addPlace(place)
  return { entries, place }
}

/** Time that passes when it is told to, and the timers on it. */
export class TestClock implements Clock {
  #now: bigint
  #timers: { at: bigint; call: () => void }[] = []

  constructor(now = 0n) {
    this.#now = now
  }

  get timers(): number {
    return this.#timers.length
  }

  now(): bigint {
    return this.#now
  }

  readonly schedule: Schedule = (delay, call) => {
    const timer = { at: this.#now + delay, call }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  /** Jumps without running timers. */
  set(now: bigint): void {
    this.#now = now
  }

  /** Passes time in seconds, running what is due in its order. */
  pass(seconds: number): void {
    const end = this.#now + BigInt(Math.round(seconds * 1e9))
    for (;;) {
      const [next] = this.#timers.filter(({ at }) => at <= end).sort((a, b) => Number(a.at - b.at))
      if (next === undefined) break
      this.#timers = this.#timers.filter((timer) => timer !== next)
      if (next.at > this.#now) this.#now = next.at
      next.call()
    }
    this.#now = end
  }
}
