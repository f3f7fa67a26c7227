import { checkBytes, checkInteger, checkOptions, invalidArgument } from '../../validate.js'
import type { NetBackend, NetPort, SentFrame } from './backend.js'
import { WaitingFrames } from './waiting-frames.js'

export interface NetCallbackOptions {
  /** How many frames wait until the guest has room for them. Default: 256. */
  waiting?: number
}

/** Takes a frame of the guest, complete, to keep. While a promise of it is pending, the guest's buffer is not given back. */
export type FrameCallback = (frame: Uint8Array) => void | Promise<void>

/** A network that is a JavaScript function: it gets each frame that the guest sends. */
export class NetCallback implements NetBackend {
  readonly #onFrame: FrameCallback
  readonly #waiting: WaitingFrames

  constructor(onFrame: FrameCallback, options: NetCallbackOptions = {}) {
    if (typeof onFrame !== 'function') throw invalidArgument('onFrame', onFrame, 'a function')
    checkOptions('options', options, ['waiting'])
    this.#onFrame = onFrame
    this.#waiting = new WaitingFrames(checkInteger('waiting', options.waiting ?? 256, 0, 65536))
  }

  /** How many frames for the guest have been lost, since it took none and too many waited. */
  get dropped(): number {
    return this.#waiting.dropped
  }

  /** Gives the guest a frame, which the caller does not change any more. False: it is lost, too many wait already. */
  deliver(frame: Uint8Array): boolean {
    return this.#waiting.add(checkBytes('frame', frame))
  }

  attach(port: NetPort): void {
    this.#waiting.attach(port)
  }

  send({ data }: SentFrame): void | Promise<void> {
    return this.#onFrame(data.copy())
  }

  resume(): void {
    this.#waiting.resume()
  }

  close(): void {
    this.#waiting.clear()
  }
}
