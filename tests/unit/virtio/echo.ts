import type { Chain } from '../../../lib/virtio/chain.js'
import type { VirtioDevice } from '../../../lib/virtio/virtio-device.js'
import type { Virtqueue } from '../../../lib/virtio/virtqueue.js'

/** A device of no kind: it writes back what it reads. */
export class Echo implements VirtioDevice {
  readonly id = 0x3f
  readonly features = 0n
  readonly queueSizes: readonly number[]
  /** Whether it keeps chains until {@link release}. */
  hold = false
  readonly #held: (() => void)[] = []

  constructor(queueSizes: readonly number[] = [256]) {
    this.queueSizes = queueSizes
  }

  get held(): number {
    return this.#held.length
  }

  startQueue(queue: Virtqueue): void {
    queue.serve((chain) => {
      if (!this.hold) return echo(chain)
      return new Promise((resolve) => {
        this.#held.push(() => {
          resolve(echo(chain))
        })
      })
    })
  }

  release(): void {
    for (const go of this.#held.splice(0)) go()
  }
}

const echo = ({ readable, writable }: Chain) => writable.set(readable.copy())
