import type { Task } from '../../bus/device.js'
import type { Buffers } from '../buffers.js'
import type { QueueServer } from '../queue-server.js'
import type { NetHeader } from './header.js'

/** A frame that a guest sends. */
export interface SentFrame {
  /**
   * From the destination's address on, 14 to 65,550 bytes. The first 14 are a copy; the rest is guest memory, which the guest may
   * still change, and which is valid until the frame has been sent.
   */
  readonly data: Buffers
  /** What is still to be done to it: no more than the back end's features say. */
  readonly header: NetHeader
  /** Which of the guest's transmit queues it came from. */
  readonly queue: number
}

/** What a back end has of its network card. */
export interface NetPort {
  /** The card's name in its machine. */
  readonly name: string
  /** What the driver takes: VIRTIO_NET_F_GUEST_CSUM and so on. */
  readonly features: bigint
  /**
   * Gives the guest a frame. False: there is no room for it now; the back end keeps it, or drops it, and hears with `resume()` that
   * it may try again. True: it is done with, even where the guest does not want it. `queue`: the receive queue to prefer.
   */
  receive(frame: Uint8Array, header?: NetHeader, queue?: number): boolean
  /** The network is there, or is gone; `error` says why, to those who watch. At first it is there. */
  setLink(up: boolean, error?: unknown): void
}

/** What a network card is plugged into. It belongs to one card, as long as that card's machine. */
export interface NetBackend {
  /**
   * Of VIRTIO_NET_F_CSUM, _HOST_TSO4, _HOST_TSO6, _HOST_ECN what it does to frames that it is given, and of _GUEST_CSUM,
   * _GUEST_TSO4, _GUEST_TSO6, _GUEST_ECN what it leaves undone, where the driver takes that. Default: nothing.
   */
  readonly features?: bigint
  /**
   * Serves the card's queues of frames, 0 and 1, past JavaScript: then `send()` is never called. Such a card counts, filters, checks and
   * limits nothing.
   */
  readonly server?: QueueServer
  /** Called once, before everything else. */
  attach(port: NetPort): void
  /** A driver begins to work, and takes {@link NetPort.features}. */
  start?(): void
  /** The guest sends a frame. While a promise is pending, it may be read. */
  send(frame: SentFrame): void | Promise<void>
  /** The cable is plugged in, or has been pulled: for one that has a {@link server}. At first it is plugged in. */
  plug?(on: boolean): void
  /** The guest has room again, after `receive()` has returned false. */
  resume?(): void
  close?: Task
}
