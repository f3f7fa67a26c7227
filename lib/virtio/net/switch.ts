import { checkInteger, checkOptions } from '../../validate.js'
import type { NetBackend, NetPort, SentFrame } from './backend.js'
import { RECEIVE_OFFLOADS, SEND_OFFLOADS } from './features.js'
import type { NetHeader } from './header.js'
import { isGroup, MAC_LENGTH, macKey } from './mac-address.js'
import { complete } from './software-offloads.js'
import { WaitingFrames } from './waiting-frames.js'

export interface NetSwitchOptions {
  /** How many addresses are learned from each port, the oldest going first. Default: 256. */
  addressesPerPort?: number
  /** How many frames wait at each port until its guest has room for them. Default: 256. */
  waitingPerPort?: number
}

/**
 * An Ethernet switch between the machines of a process. It learns from which port an address sends; a frame for an address that it
 * does not know, or for many, goes to all other ports.
 */
export class NetSwitch {
  readonly #addressesPerPort: number
  readonly #waitingPerPort: number
  readonly #ports = new Set<SwitchPort>()
  // Sent, and not delivered yet. No card sends more in a turn of the event loop than its queues may move.
  #onTheWay: Delivery[] = []
  readonly #learned = new Map<number, SwitchPort>()

  constructor(options: NetSwitchOptions = {}) {
    checkOptions('options', options, ['addressesPerPort', 'waitingPerPort'])
    this.#addressesPerPort = checkInteger('addressesPerPort', options.addressesPerPort ?? 256, 1, 65536)
    this.#waitingPerPort = checkInteger('waitingPerPort', options.waitingPerPort ?? 256, 0, 65536)
  }

  /** A new port, for one network card. */
  port(): NetSwitchPort {
    return new SwitchPort(this.#waitingPerPort, {
      open: (port) => this.#ports.add(port),
      close: (port) => this.#forget(port),
      forward: (port, frame, header, queue) => this.#forward(port, frame, header, queue),
    })
  }

  #forward(from: SwitchPort, frame: Uint8Array, header: NetHeader, queue: number): void {
    if (!isGroup(frame, MAC_LENGTH)) this.#learn(macKey(frame, MAC_LENGTH), from)
    const known = isGroup(frame, 0) ? undefined : this.#learned.get(macKey(frame, 0))
    // What is for its own side of the port has arrived already.
    if (known === from) return
    for (const port of known === undefined ? this.#ports : [known]) {
      if (port !== from) this.#send({ port, frame, header, queue })
    }
  }

  /** What one card receives is no part of what another one sends: it comes in a turn of its own. */
  #send(delivery: Delivery): void {
    if (this.#onTheWay.push(delivery) > 1) return
    setImmediate(() => {
      for (const { port, frame, header, queue } of this.#onTheWay.splice(0)) {
        if (this.#ports.has(port)) port.deliver(frame, header, queue)
      }
    })
  }

  #learn(address: number, port: SwitchPort): void {
    const before = this.#learned.get(address)
    if (before === port) return
    before?.addresses.delete(address)
    // A guest that invents addresses displaces its own only.
    const [oldest] = port.addresses
    if (oldest !== undefined && port.addresses.size >= this.#addressesPerPort) {
      port.addresses.delete(oldest)
      this.#learned.delete(oldest)
    }
    port.addresses.add(address)
    this.#learned.set(address, port)
  }

  #forget(port: SwitchPort): void {
    this.#ports.delete(port)
    for (const address of port.addresses) this.#learned.delete(address)
    port.addresses.clear()
  }
}

/** A port of a {@link NetSwitch}. */
export interface NetSwitchPort extends NetBackend {
  /** How many frames for its guest have been lost, since it took none and too many waited. */
  readonly dropped: number
}

interface Delivery {
  port: SwitchPort
  frame: Uint8Array
  header: NetHeader
  queue: number
}

interface SwitchSide {
  open(port: SwitchPort): void
  close(port: SwitchPort): void
  forward(port: SwitchPort, frame: Uint8Array, header: NetHeader, queue: number): void
}

class SwitchPort implements NetSwitchPort {
  readonly features = SEND_OFFLOADS | RECEIVE_OFFLOADS
  /** Which have been learned from it. */
  readonly addresses = new Set<number>()
  readonly #waiting: WaitingFrames
  readonly #side: SwitchSide
  #port: NetPort | undefined

  constructor(waiting: number, side: SwitchSide) {
    this.#waiting = new WaitingFrames(waiting)
    this.#side = side
  }

  get dropped(): number {
    return this.#waiting.dropped
  }

  attach(port: NetPort): void {
    this.#port = port
    this.#waiting.attach(port)
    this.#side.open(this)
  }

  send({ data, header, queue }: SentFrame): void {
    this.#side.forward(this, data.copy(), header, queue)
  }

  /** What the sender has left to the device, and this guest does not do, is done here. */
  deliver(frame: Uint8Array, header: NetHeader, queue: number): void {
    for (const [part, rest] of complete(frame, header, this.#port?.features ?? 0n)) this.#waiting.add(part, rest, queue)
  }

  resume(): void {
    this.#waiting.resume()
  }

  close(): void {
    this.#side.close(this)
    this.#waiting.clear()
  }
}
