import type { TapQueue } from '../kvm/tap.js'
import { VhostNet } from '../kvm/vhost-net.js'
import { driverFault } from '../virtio/driver-fault.js'
import { VIRTIO_F_RING_RESET } from '../virtio/features.js'
import type { TapServer } from '../virtio/net/tap.js'
import type { QueueService, ServedHome, ServedQueue } from '../virtio/queue-server.js'
import { VhostQueue, type VhostQueueHost } from './vhost-queue.js'

/** The kernel serves the queues of a network card: frames go between them and a tap, and JavaScript sees none. */
export class VhostServer implements TapServer {
  readonly features: bigint
  readonly #host: VhostQueueHost
  readonly #queues = new Set<VhostQueue>()
  #unwatch: (() => void) | undefined
  #isPlugged = true

  /** Throws `ERR_KVM_NETWORK` where there is no vhost-net. */
  constructor(tap: TapQueue) {
    const vhost = new VhostNet()
    // A queue that is reset is stopped here; the kernel need not know why.
    this.features = vhost.features | VIRTIO_F_RING_RESET
    this.#host = {
      ...{ vhost, tap },
      isPlugged: () => this.#isPlugged,
      closed: (queue) => {
        this.#forget(queue)
      },
    }
  }

  serve(queue: ServedQueue, home: ServedHome): QueueService {
    if (this.#queues.size === 0) this.#begin(queue)
    const served = new VhostQueue(queue, home, this.#host)
    this.#queues.add(served)
    try {
      if (served.start()) return served
      throw driverFault('has put a part of a queue across two pieces of memory', { queue: queue.index })
    } catch (error) {
      served.close()
      throw error
    }
  }

  plug(on: boolean): void {
    this.#isPlugged = on
    if (on) this.#startAll()
    else this.#haltAll()
  }

  close(): void {
    for (const queue of this.#queues) queue.close()
    this.#host.vhost.close()
  }

  /** The first of its queues has come. */
  #begin({ features, memory }: ServedQueue): void {
    this.#host.vhost.setFeatures(features)
    this.#host.vhost.setMemory(memory)
    const unwatch = memory.watch?.(() => {
      this.#memoryChanged(memory)
    })
    const seen = memory.writtenUnseen?.()
    this.#unwatch = () => {
      unwatch?.()
      seen?.()
    }
  }

  /** A queue whose memory has gone waits until it is there again. */
  #memoryChanged(memory: ServedQueue['memory']): void {
    this.#haltAll()
    try {
      this.#host.vhost.setMemory(memory)
    } catch (error) {
      for (const { home } of this.#queues) home.fail(error)
      return
    }
    this.#startAll()
  }

  #startAll(): void {
    for (const queue of this.#queues) queue.tryStart()
  }

  #haltAll(): void {
    for (const queue of this.#queues) queue.halt()
  }

  #forget(closed: VhostQueue): void {
    this.#queues.delete(closed)
    if (this.#queues.size > 0) return
    this.#unwatch?.()
    this.#unwatch = undefined
  }
}
