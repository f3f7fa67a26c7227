import { KvmError } from '../../errors.js'
import type { QueueServer } from '../queue-server.js'
import type { NetBackend, NetPort, SentFrame } from './backend.js'
import * as F from './features.js'
import { HEADER_SIZE, MAX_FRAME, type NetHeader, readHeader, writeHeader } from './header.js'

/** A queue of a tap interface. What fails returns -errno. */
export interface TapQueue {
  /** A header and its frame. */
  read(bytes: Uint8Array): number
  write(...pieces: Uint8Array[]): number
  /** TUN_F_*. */
  setOffload(flags: number): number
  /** Whether it says that there is something to read. */
  listen(on: boolean): void
  close(): void
}

/** Who serves the queues of a card that is plugged into a tap, past JavaScript. */
export interface TapServer extends QueueServer {
  plug(on: boolean): void
  close(): void
}

// linux/if_tun.h: what the reader of a tap does itself.
const OFFLOADS = [
  [F.VIRTIO_NET_F_GUEST_CSUM, 1],
  [F.VIRTIO_NET_F_GUEST_TSO4, 2],
  [F.VIRTIO_NET_F_GUEST_TSO6, 4],
  [F.VIRTIO_NET_F_GUEST_ECN, 8],
] as const
const EAGAIN = 11
/** The interface has been removed. */
const EBADFD = 77
/** How many frames are read before others on the event loop get their turn. */
const FRAMES_PER_TURN = 64
/** What goes out in one call, beside the header; more pieces are joined. */
const MAX_PIECES = 64

/** One queue with the frame that was read last. */
class Reader {
  readonly queue: TapQueue
  readonly #bytes = new Uint8Array(HEADER_SIZE + MAX_FRAME)
  #length = 0

  constructor(queue: TapQueue) {
    this.queue = queue
  }

  /** What waits for room. */
  get frame(): [Uint8Array, NetHeader] | undefined {
    if (this.#length <= HEADER_SIZE) return undefined
    return [this.#bytes.subarray(HEADER_SIZE, this.#length), readHeader(this.#bytes)]
  }

  /** Returns -errno when there is none. */
  read(): number {
    const length = this.queue.read(this.#bytes)
    this.#length = Math.max(length, 0)
    return length
  }

  done(): void {
    this.#length = 0
  }
}

/** The host's network, by a tap interface; `openTap()` of a machine opens one. */
export class NetTap implements NetBackend {
  readonly features = F.SEND_OFFLOADS | F.RECEIVE_OFFLOADS
  /** The interface's. */
  readonly name: string
  readonly server?: TapServer
  readonly #readers: readonly Reader[]
  #port: NetPort | undefined
  #dropped = 0

  /** @internal `open` opens a queue; `serve` makes what serves the card's queues, once they are open. */
  constructor(queues: number, open: (readable: () => void) => TapQueue & { name(): string }, serve?: () => TapServer) {
    const opened: ReturnType<typeof open>[] = []
    try {
      for (let index = 0; index < queues; index++) {
        opened.push(
          open(() => {
            this.#receive(index)
          }),
        )
      }
      if (serve !== undefined) this.server = serve()
    } catch (error) {
      for (const queue of opened) queue.close()
      throw error
    }
    this.name = opened[0]?.name() ?? ''
    this.#readers = opened.map((queue) => new Reader(queue))
  }

  /** How many frames of the guest the host has not taken. */
  get dropped(): number {
    return this.#dropped
  }

  attach(port: NetPort): void {
    this.#port = port
    if (this.server !== undefined) return
    for (const { queue } of this.#readers) queue.listen(true)
  }

  start(): void {
    const features = this.#port?.features ?? 0n
    const flags = OFFLOADS.reduce((sum, [feature, flag]) => ((features & feature) === 0n ? sum : sum | flag), 0)
    for (const { queue } of this.#readers) queue.setOffload(flags)
  }

  send({ data, header, queue }: SentFrame): void {
    const reader = this.#readers[queue % this.#readers.length]
    const pieces = data.pieces.length > MAX_PIECES ? [data.copy()] : data.pieces
    const result = reader?.queue.write(writeHeader(header, 0), ...pieces) ?? -EAGAIN
    if (result < 0) this.#dropped++
    if (result === -EBADFD) this.#lose()
  }

  plug(on: boolean): void {
    this.server?.plug(on)
  }

  resume(): void {
    for (const [index, { frame, queue }] of this.#readers.entries()) {
      if (frame === undefined || !this.#give(index)) continue
      queue.listen(true)
    }
  }

  close(): void {
    this.server?.close()
    for (const { queue } of this.#readers) queue.close()
  }

  /** There is something to read. The kernel keeps what the guest has no room for, and drops what is too much. */
  #receive(index: number): void {
    const reader = this.#readers[index]
    for (let count = 0; reader !== undefined && count < FRAMES_PER_TURN; count++) {
      const result = reader.read()
      if (result === -EAGAIN) return
      if (result < 0) {
        this.#lose()
        return
      }
      if (!this.#give(index)) {
        reader.queue.listen(false)
        return
      }
    }
  }

  #give(index: number): boolean {
    const reader = this.#readers[index]
    const frame = reader?.frame
    if (frame !== undefined && this.#port?.receive(...frame, index) !== true) return false
    reader?.done()
    return true
  }

  #lose(): void {
    for (const { queue } of this.#readers) queue.listen(false)
    this.#port?.setLink(false, new KvmError('ERR_KVM_NETWORK', `the tap ${this.name} has been removed`))
  }
}
