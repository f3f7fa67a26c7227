import type { CounterStart, Device, FastPaths, IndexedOffsets, InterruptLine } from '../../../lib/bus/index.js'
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

/** Fast paths of nobody: what a vCPU thread would do with them can be seen. */
export function fastPaths() {
  const posted: { offset: number; length: number; lazy?: boolean }[] = []
  const latched = new Map<number, { value: bigint; width: number }>()
  const counters = new Map<number, CounterStart & { width: number }>()
  const indexed: {
    registers: IndexedOffsets
    chosen: (index: number) => void
    values: Map<number, { value: number; until: bigint | undefined }>
  }[] = []
  const paths: FastPaths = {
    postWrites(offset, length, options) {
      const range = { offset, length, ...options }
      posted.push(range)
      return { close: () => void posted.splice(posted.indexOf(range), 1) }
    },
    latchRead(offset, width, value) {
      const latch = { value, width, close: () => void latched.delete(offset) }
      latched.set(offset, latch)
      return latch
    },
    latchCounter(offset, width, start) {
      const counter = { ...start, width }
      counters.set(offset, counter)
      return {
        set: (value, epoch) => void Object.assign(counter, { value, epoch }),
        close: () => void counters.delete(offset),
      }
    },
    latchIndexed(registers, chosen) {
      const pair = { registers, chosen, values: new Map<number, { value: number; until: bigint | undefined }>() }
      indexed.push(pair)
      return {
        chosen: undefined,
        set: (index, value, until) => void pair.values.set(index, { value, until }),
        clear: () => {
          pair.values.clear()
        },
        close: () => void indexed.splice(indexed.indexOf(pair), 1),
      }
    },
  }
  return { paths, posted, latched, counters, indexed }
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
