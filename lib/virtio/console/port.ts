import { checkBoolean, checkBytes, invalidArgument } from '../../validate.js'
import type { Virtqueue } from '../virtqueue.js'
import type { PortEvent } from './control-sender.js'
import { EVENT } from './message.js'
import { type CheckedPortOptions, checkSize, type ConsoleSize } from './options.js'
import { ReceiveQueue } from './receive-queue.js'
import type { ConsolePortStatistics } from './statistics.js'
import { TransmitQueue } from './transmit-queue.js'

/** What a port has of its device. */
export interface PortHome {
  /** The driver is to hear of these, if it is told of ports at all. */
  tell(port: ConsolePort, ...events: PortEvent[]): void
  /** The terminal has another size. */
  resized(port: ConsolePort): void
  fail: (error: unknown) => void
}

const READY = 1
const OPEN = 2
/** All that a port's state is made of. */
export const PORT_FLAGS = READY | OPEN

/** One of the lines of a console device. */
export class ConsolePort {
  /** The first one has 0. */
  readonly index: number
  readonly name: string | undefined
  /** Whether it is a terminal. */
  readonly isConsole: boolean
  readonly #counts: ConsolePortStatistics = { sent: 0, received: 0, lost: 0 }
  readonly #options: CheckedPortOptions
  readonly #home: PortHome
  readonly #receive: ReceiveQueue
  readonly #transmit: TransmitQueue
  #size: ConsoleSize
  #isConnected = true
  #flags = 0
  // Whether `receive()` has taken less than it was given.
  #refused = false

  /** @internal */
  constructor(index: number, options: CheckedPortOptions, home: PortHome) {
    this.index = index
    this.name = options.name
    this.isConsole = options.console
    this.#options = options
    this.#size = options.size
    this.#home = home
    const { fail } = home
    const onRoom = () => {
      this.#drain()
    }
    this.#receive = new ReceiveQueue({ fail, onRoom })
    const output = () => (this.#isConnected ? options.output : undefined)
    this.#transmit = new TransmitQueue({ statistics: this.#counts, output, fail })
  }

  get statistics(): Readonly<ConsolePortStatistics> {
    return this.#counts
  }

  /** Whether the guest has it open: a program for a port with a name, the driver for a console. */
  get isOpen(): boolean {
    return (this.#flags & OPEN) !== 0
  }

  /** Whether somebody is at the host's end; the guest hears of it. What it sends to nobody is lost. At first: true. */
  get isConnected(): boolean {
    return this.#isConnected
  }

  set isConnected(connected) {
    this.#isConnected = checkBoolean('isConnected', connected)
    this.#tellIfReady(EVENT.PORT_OPEN)
  }

  get size(): Readonly<ConsoleSize> {
    return this.#size
  }

  /** The terminal has this size from now on: 0 to 65535, where 0 by 0 says that nobody knows. */
  resize(columns: number, rows: number): void {
    if (!this.isConsole) throw invalidArgument('port', this.index, 'one that is a console: others have no size')
    this.#size = checkSize({ columns, rows })
    this.#home.resized(this)
    this.#tellIfReady(EVENT.RESIZE)
  }

  /**
   * Gives the guest bytes. Returns how many it has had room for; `onDrain` is called when the rest may be tried again. Before the
   * guest has opened the port it takes none.
   */
  receive(bytes: Uint8Array): number {
    checkBytes('bytes', bytes)
    const taken = this.isOpen ? this.#receive.write(bytes) : 0
    this.#counts.received += taken
    this.#refused = taken < bytes.length
    return taken
  }

  /** @internal */
  startQueue(queue: Virtqueue, direction: 'receive' | 'transmit'): void {
    if (direction === 'receive') this.#receive.start(queue)
    else this.#transmit.start(queue)
  }

  /** @internal */
  stopQueue(direction: 'receive' | 'transmit'): void {
    if (direction === 'receive') this.#receive.stop()
    else this.#transmit.stop()
  }

  /** The driver has got to know it. @internal */
  ready(): void {
    this.#flags |= READY
    const { name, isConsole } = this
    this.#home.tell(
      this,
      ...(isConsole ? [EVENT.CONSOLE_PORT, EVENT.RESIZE] : []),
      ...(name === undefined ? [] : [EVENT.PORT_NAME]),
      EVENT.PORT_OPEN,
    )
  }

  /** The guest has opened it, or closed it. @internal */
  setOpen(open: boolean): void {
    if (open === this.isOpen) return
    this.#flags ^= OPEN
    this.#options.onOpen(open)
    if (open) this.#drain()
  }

  /** @internal */
  pause(): void {
    this.#transmit.giveBack()
  }

  /** What the driver has said of it, as a number. @internal */
  get flags(): number {
    return this.#flags
  }

  set flags(flags) {
    this.setOpen((flags & OPEN) !== 0)
    this.#flags = flags
  }

  #tellIfReady(event: PortEvent): void {
    if ((this.#flags & READY) !== 0) this.#home.tell(this, event)
  }

  #drain(): void {
    if (!this.#refused) return
    this.#refused = false
    this.#options.onDrain()
  }
}
