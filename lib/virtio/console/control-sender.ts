import { driverFault } from '../driver-fault.js'
import type { Virtqueue } from '../virtqueue.js'
import { EVENT } from './message.js'

/** In the order in which a driver wants to hear of them. */
const ORDER = [EVENT.PORT_ADD, EVENT.CONSOLE_PORT, EVENT.PORT_NAME, EVENT.PORT_OPEN, EVENT.RESIZE] as const

/** What the driver can be told of a port. */
export type PortEvent = (typeof ORDER)[number]

/** All of them, as bits. */
export const ALL_EVENTS = ORDER.reduce((bits, event) => bits | (1 << event), 0)

export interface SenderHome {
  /** The message of that, as things stand. */
  message(port: number, event: PortEvent): Uint8Array
  fail: (error: unknown) => void
}

/**
 * The way of messages about ports to the driver. What waits is no message, but that there is one: a driver that does not read
 * hears in the end how things are, and not how they came to be so.
 */
export class ControlSender {
  readonly #home: SenderHome
  /** Of each port, the events that wait: a bit for each. */
  #pending: number[]
  #queue: Virtqueue | undefined

  constructor(ports: number, home: SenderHome) {
    this.#pending = Array<number>(ports).fill(0)
    this.#home = home
  }

  start(queue: Virtqueue): void {
    this.#queue = queue
    queue.onAvailable(() => {
      this.#flush()
    })
  }

  stop(): void {
    this.#queue = undefined
  }

  reset(): void {
    this.#pending.fill(0)
  }

  get pending(): readonly number[] {
    return this.#pending
  }

  set pending(pending) {
    this.#pending = [...pending]
  }

  send(port: number, ...events: PortEvent[]): void {
    for (const event of events) this.#pending[port] = (this.#pending[port] ?? 0) | (1 << event)
    this.#flush()
  }

  #flush(): void {
    for (const [port, bits] of this.#pending.entries()) {
      for (const event of ORDER) {
        if ((bits & (1 << event)) === 0) continue
        if (!this.#sendOne(port, event)) return
        this.#pending[port] = (this.#pending[port] ?? 0) & ~(1 << event)
      }
    }
  }

  /** False: there is no buffer for it now. */
  #sendOne(port: number, event: PortEvent): boolean {
    const chain = this.#queue?.pop()
    if (chain === undefined) return false
    const message = this.#home.message(port, event)
    const fits = chain.writable.length >= message.length
    this.#queue?.push(chain, fits ? chain.writable.set(message) : 0)
    if (!fits) {
      const { length } = chain.writable
      this.#home.fail(driverFault(`has left room of ${length} bytes for a message of ${message.length}`, { length }))
    }
    return fits
  }
}
