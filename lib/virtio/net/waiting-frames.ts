import type { NetPort } from './backend.js'
import type { NetHeader } from './header.js'

/** Frames that wait for room in a guest: no more than so many, whoever sends them. */
export class WaitingFrames {
  /** How many have been lost because there was no room for them here either. */
  dropped = 0
  readonly #limit: number
  #port: NetPort | undefined
  #frames: [frame: Uint8Array, header: NetHeader | undefined, queue: number | undefined][] = []

  constructor(limit: number) {
    this.#limit = limit
  }

  attach(port: NetPort): void {
    this.#port = port
  }

  /** Gives the guest a frame, now or later. False: it is lost. `frame` is kept while it waits. */
  add(frame: Uint8Array, header?: NetHeader, queue?: number): boolean {
    if (this.#frames.length === 0 && this.#port?.receive(frame, header, queue) === true) return true
    if (this.#frames.length >= this.#limit) {
      this.dropped++
      return false
    }
    this.#frames.push([frame, header, queue])
    return true
  }

  /** The guest has room again. */
  resume(): void {
    let done = 0
    for (const [frame, header, queue] of this.#frames) {
      if (this.#port?.receive(frame, header, queue) !== true) break
      done++
    }
    if (done > 0) this.#frames = this.#frames.slice(done)
  }

  clear(): void {
    this.#frames = []
  }
}
