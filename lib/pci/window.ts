import type { AddressRange } from '../arch/x86/memory-layout.js'
import type { Bus } from '../bus/bus.js'
import { KvmError } from '../errors.js'
import { hex } from '../format.js'

/** Addresses of a bus from which BARs get theirs, as firmware would give them out. */
export class Window {
  readonly #bus: Bus
  readonly #range: AddressRange
  /** What BARs are aligned to at least: so that no two share a page. */
  readonly #alignment: number
  readonly #taken: AddressRange[] = []

  constructor(bus: Bus, range: AddressRange, alignment: number) {
    this.#bus = bus
    this.#range = range
    this.#alignment = alignment
  }

  /** The lowest place for a BAR of that length at which no other one and no device is. */
  choose(name: string, length: number): number {
    const step = Math.max(length, this.#alignment)
    const { start, end } = this.#range
    for (let at = Math.ceil(start / step) * step; at + length <= end; at += step) {
      const other = this.#taken.find((range) => at < range.end && range.start < at + length)
      if (other !== undefined) at = Math.ceil(other.end / step) * step - step
      else if (this.#bus.isFree(at, length)) {
        this.#taken.push({ start: at, end: at + length })
        return at
      }
    }
    const what = `${length} ${this.#bus.name === 'port' ? 'ports' : 'bytes'}`
    throw new KvmError(
      'ERR_KVM_NO_RESOURCE',
      `a BAR of ${name} needs ${what}, and there are no more in a row between ${hex(start)} and ${hex(end)}; a BAR of another device could be smaller`,
      { operands: { device: name, resource: this.#bus.name, length } },
    )
  }
}
