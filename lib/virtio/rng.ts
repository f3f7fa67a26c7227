import { randomFillSync } from 'node:crypto'
import { checkOptions, invalidArgument } from '../validate.js'
import type { VirtioDevice } from './virtio-device.js'
import type { Virtqueue } from './virtqueue.js'

export interface RngOptions {
  /** Fills all of `bytes`, which are the guest's memory. Default: the host's random numbers. */
  source?: (bytes: Uint8Array) => unknown
}

const QUEUE_SIZE = 64
/** Who asks for more at once gets that much, and asks again. */
const MAX_BYTES = 2 ** 16

/** An entropy device (virtio 1.2, 5.4). */
export class Rng implements VirtioDevice {
  readonly id = 4
  readonly features = 0n
  readonly queueSizes = [QUEUE_SIZE]
  readonly #source: (bytes: Uint8Array) => unknown

  constructor(options: RngOptions = {}) {
    checkOptions('options', options, ['source'])
    const { source = randomFillSync } = options
    if (typeof source !== 'function') throw invalidArgument('source', source, 'a function')
    this.#source = source
  }

  startQueue(queue: Virtqueue): void {
    queue.serve(({ writable }) => {
      const { pieces, length } = writable.slice(0, MAX_BYTES)
      for (const piece of pieces) this.#source(piece)
      return length
    })
  }
}
