import type { Duplex } from 'node:stream'
import { KvmError } from '../../errors.js'
import { describeThrown } from '../../format.js'
import { checkInteger, checkOptions, invalidArgument } from '../../validate.js'
import type { NetBackend, NetPort, SentFrame } from './backend.js'
import { FrameReader } from './frame-reader.js'

export interface NetStreamOptions {
  /** In how many milliseconds it connects again when the peer has gone. Default: never; the link stays down. */
  reconnect?: number
  /** How many bytes may wait for a peer that is slow. What comes on top is lost. Default: 1 MiB. */
  waiting?: number
}

const LENGTH_SIZE = 4
const MAX_RECONNECT = 2 ** 31 - 1

/**
 * A network at the other end of a stream: each frame goes with its length before it, 4 bytes, the most significant first. That is
 * how `qemu -netdev stream` and `passt` speak.
 */
export class NetStream implements NetBackend {
  readonly #connect: () => Duplex
  readonly #reconnect: number | undefined
  readonly #limit: number
  readonly #reader = new FrameReader((frame) => this.#port?.receive(frame) ?? true)
  #port: NetPort | undefined
  #stream: Duplex | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false
  #dropped = 0

  /** `connect` makes a connection: `() => net.connect('/run/passt.sock')`, or `() => socket` for one that a server has accepted. */
  constructor(connect: () => Duplex, options: NetStreamOptions = {}) {
    if (typeof connect !== 'function') throw invalidArgument('connect', connect, 'a function that returns a stream')
    checkOptions('options', options, ['reconnect', 'waiting'])
    const { reconnect, waiting = 2 ** 20 } = options
    this.#connect = connect
    this.#reconnect = reconnect === undefined ? undefined : checkInteger('reconnect', reconnect, 1, MAX_RECONNECT)
    this.#limit = checkInteger('waiting', waiting, 1, 2 ** 30)
  }

  /** How many frames of the guest have been lost: the peer was slow, or away. */
  get dropped(): number {
    return this.#dropped
  }

  attach(port: NetPort): void {
    this.#port = port
    this.#open()
  }

  send({ data }: SentFrame): void {
    const stream = this.#stream
    if (stream === undefined || stream.writableLength + data.length > this.#limit) {
      this.#dropped++
      return
    }
    const bytes = new Uint8Array(LENGTH_SIZE + data.length)
    new DataView(bytes.buffer).setUint32(0, data.length)
    let done = LENGTH_SIZE
    for (const piece of data.pieces) {
      bytes.set(piece, done)
      done += piece.length
    }
    stream.write(bytes)
  }

  resume(): void {
    const stream = this.#stream
    if (stream !== undefined) this.#read(stream, () => this.#reader.resume())
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#stream?.destroy()
    this.#stream = undefined
  }

  #open(): void {
    let stream: Duplex
    try {
      stream = checkStream(this.#connect())
      this.#listen(stream)
    } catch (error) {
      this.#lose(error)
      return
    }
    this.#stream = stream
    const connecting = (stream as Partial<{ connecting: boolean }>).connecting === true
    this.#port?.setLink(!connecting)
    stream.once('connect', () => {
      if (this.#stream === stream) this.#port?.setLink(true)
    })
  }

  #listen(stream: Duplex): void {
    const over = (error?: unknown) => {
      this.#end(stream, error)
    }
    stream.on('data', (chunk: Uint8Array) => {
      this.#read(stream, () => this.#reader.add(chunk))
    })
    stream.on('error', over).on('end', over).on('close', over)
  }

  /** Reads on, until the guest has no more room. */
  #read(stream: Duplex, read: () => boolean): void {
    try {
      if (read()) stream.resume()
      else stream.pause()
    } catch (error) {
      this.#end(stream, error)
    }
  }

  /** A stream has more than one way to say that it is over. */
  #end(stream: Duplex, cause: unknown): void {
    stream.destroy()
    if (stream === this.#stream) this.#lose(cause)
  }

  #lose(cause: unknown): void {
    this.#stream = undefined
    this.#reader.clear()
    if (this.#isClosed) return
    const why = cause === undefined ? 'the peer has closed the connection' : describeThrown(cause)
    const error = new KvmError('ERR_KVM_NETWORK', `${this.#port?.name ?? 'a network card'} has no network: ${why}`, {
      cause,
    })
    this.#port?.setLink(false, error)
    if (this.#reconnect === undefined) return
    this.#timer = setTimeout(() => {
      this.#open()
    }, this.#reconnect)
    this.#timer.unref()
  }
}

/** One that is over already would never say so. */
function checkStream(stream: Duplex): Duplex {
  const { on, destroyed, readableEnded, errored } = (stream as Partial<Duplex> | null | undefined) ?? {}
  if (typeof on !== 'function') throw new TypeError('connect() has returned no stream')
  if (destroyed === true || readableEnded === true) {
    stream.destroy()
    throw errored ?? new Error('connect() has returned a stream that is over')
  }
  return stream
}
