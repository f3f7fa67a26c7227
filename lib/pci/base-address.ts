import type { Bus } from '../bus/bus.js'
import type { BusRegion } from '../bus/region.js'
import type { CheckedBar } from './bars.js'
import type { ConfigSpace } from './config-space.js'
import { Doorbells, type OpenDoorbell } from './doorbells.js'
import * as R from './registers.js'

const WORD = 2 ** 32

/** Where a BAR is. */
export interface BarStatus {
  readonly index: number
  readonly kind: 'memory' | 'port'
  readonly length: number
  /** The first address at which it answers; undefined: nowhere. */
  readonly start: number | undefined
  /** How often the guest has put it where there is no place for it. */
  readonly refused: number
}

/** A base address register, and the region behind it. */
export class BaseAddress {
  readonly bar: CheckedBar
  readonly doorbells: Doorbells
  /** Where the guest wants it; undefined: nowhere. */
  wish: number | undefined
  readonly #space: ConfigSpace
  readonly #region: BusRegion
  readonly #register: number

  constructor(
    bar: CheckedBar,
    name: string,
    { space, bus, open }: { space: ConfigSpace; bus: Bus; open: OpenDoorbell },
  ) {
    this.bar = bar
    this.#space = space
    this.#register = R.BASE_ADDRESSES + bar.index * R.BAR_WIDTH
    this.doorbells = new Doorbells(open)
    const { device } = bar
    this.#region = bus.region(
      bar.length,
      {
        read: (offset, data) => device.read(offset, data),
        write: (offset, data) => (this.doorbells.rings(offset, data) ? undefined : device.write(offset, data)),
        ...(device.cells === undefined ? {} : { cells: device.cells }),
      },
      { name },
    )
    this.#describe()
  }

  /** The first address at which it answers. */
  get start(): number | undefined {
    return this.#region.start
  }

  get status(): BarStatus {
    const { index, kind, length } = this.bar
    return { index, kind, length, start: this.start, refused: this.#region.refused }
  }

  /** Where the registers say that it is, with these bits in the command register. */
  place(command: number): number | undefined {
    const { kind, length, width } = this.bar
    if ((command & (kind === 'port' ? R.COMMAND_IO : R.COMMAND_MEMORY)) === 0) return undefined
    const low = this.#space.get32(this.#register)
    const high = width === 64 ? this.#space.get32(this.#register + R.BAR_WIDTH) : 0
    const address = high * WORD + low - (low % (kind === 'port' ? R.BAR_PORT_KIND + 1 : R.BAR_MEMORY_KIND + 1))
    // Never set, or on the way to be asked how long it is: ones in all bits.
    const asked = width === 64 ? high === WORD - 1 : low + length >= WORD
    return address === 0 || asked ? undefined : address
  }

  /** What the registers hold for that address. */
  assign(address: number): void {
    const { width } = this.bar
    this.#space.set(this.#register, 4, this.#kind | (address % WORD))
    if (width === 64) this.#space.set(this.#register + R.BAR_WIDTH, 4, Math.floor(address / WORD))
  }

  /** Returns whether it is where it is to be. */
  move(start: number | undefined): boolean {
    if (start === this.start) return true
    this.doorbells.move(undefined)
    const moved = this.#region.move(start)
    if (moved && start !== undefined)
      this.doorbells.move(this.bar.kind === 'port' ? { port: start } : { address: start })
    return moved
  }

  get #kind(): number {
    const { kind, width, prefetchable } = this.bar
    if (kind === 'port') return R.BAR_PORT
    return (width === 64 ? R.BAR_64_BITS : 0) | (prefetchable ? R.BAR_PREFETCHABLE : 0)
  }

  /** By the bits that stay zero a guest learns how long it is. */
  #describe(): void {
    const { length, width } = this.bar
    const space = this.#space
    space.set(this.#register, 4, this.#kind)
    space.allow(this.#register, 4, length >= WORD ? 0 : WORD - length)
    if (width === 64) {
      space.allow(this.#register + R.BAR_WIDTH, 4, length >= WORD ? WORD - length / WORD : WORD - 1)
    }
  }
}
