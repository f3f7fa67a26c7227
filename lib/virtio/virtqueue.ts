import type { Chain } from './chain.js'
import { type ChainHandler, ChainWorker } from './chain-worker.js'
import type { QueueHome, QueuePlace } from './queue-home.js'
import type { QueueServer, QueueService } from './queue-server.js'
import type { Done, Ring, RingState } from './ring.js'

/** What reading a part of a chain counts as, in bytes: otherwise chains of many parts of a byte, or none, would cost nothing. */
const PART_COST = 128

/**
 * A queue as its device sees it (virtio 1.2, 2.6). Each chain that is taken off it is given back exactly once; a queue that is
 * paused gives no chains and takes them back.
 *
 * A device that answers requests says what executes them: {@link serve}. One that has something to say when the driver has not
 * asked, as a network card has, takes a chain with {@link pop} and gives it back with {@link push}. One whose queue the kernel is to
 * serve says so with {@link delegate}.
 */
export class Virtqueue {
  readonly index: number
  /** How many descriptors it has. */
  readonly size: number
  readonly #ring: Ring
  readonly #home: QueueHome
  readonly #place: QueuePlace
  #service: QueueService | undefined
  #worker: ChainWorker | undefined
  #available: (() => void) | undefined
  #inFlight = 0
  #state: 'running' | 'paused' | 'over' = 'running'
  #cancelTurn: (() => void) | undefined
  #notifiable = true
  #waiting: (() => void)[] = []

  /** @internal */
  constructor(index: number, size: number, ring: Ring, place: QueuePlace, home: QueueHome) {
    this.index = index
    this.size = size
    this.#ring = ring
    this.#place = place
    this.#home = home
  }

  /** How many chains the device has at present. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** From now on `handler` executes what the driver makes available. */
  serve(handler: ChainHandler): void {
    this.#worker = new ChainWorker(handler, {
      queue: this,
      budget: this.#home.budget,
      fail: (error) => {
        this.#fail(error)
      },
    })
    this.#work()
  }

  /** From now on `server` serves the queue, for as long as there is one: no chains come here. Throws when it cannot. */
  delegate(server: QueueServer): void {
    const { index, size } = this
    const service = server.serve(
      { index, size, ...this.#place, state: this.#ring.save() },
      {
        interrupt: () => {
          this.#home.interrupt()
        },
        fail: (error) => {
          this.#fail(error)
        },
      },
    )
    this.#service = service
    if (this.#state === 'paused') service.stop()
    this.#home.delegated(service)
  }

  /** Calls `available` when the driver has made chains available after {@link pop} has returned undefined. */
  onAvailable(available: () => void): void {
    this.#available = available
  }

  /**
   * The next chain; undefined when there is none, and when others on the event loop come first: there is word of it by
   * {@link onAvailable} then.
   */
  pop(): Chain | undefined {
    if (this.#state !== 'running') return undefined
    const { budget } = this.#home
    if (budget.isSpent) {
      this.#waitForTurn()
      return undefined
    }
    try {
      const chain = this.#next()
      if (chain === undefined) return undefined
      this.#inFlight++
      budget.spend(chain.parts * PART_COST)
      return chain
    } catch (error) {
      this.#fail(error)
      return undefined
    }
  }

  /** Gives a chain back, into which the device has written that many bytes. */
  push(chain: Chain, written: number): void {
    this.#giveBack(1, () => {
      this.#ring.push(chain, written)
    })
  }

  /** Gives back several chains, of which the driver sees all or none, in this order. */
  pushAll(done: readonly Done[]): void {
    this.#giveBack(done.length, () => {
      this.#ring.pushAll(done)
    })
  }

  #giveBack(count: number, push: () => void): void {
    if (this.#state !== 'over') {
      try {
        push()
      } catch (error) {
        this.#fail(error)
      }
      // Of what is done while others are being begun, the driver hears once.
      if (this.#worker?.isWorking !== true) this.#interrupt()
    }
    this.#inFlight -= count
    if (this.#inFlight > 0) return
    for (const settle of this.#waiting.splice(0)) settle()
  }

  /**
   * Asks whether so many bytes may be moved now. A chain's own have been counted when its handler is called; a device that moves
   * them later, or in parts, asks before it does. Undefined: at once. Otherwise the promise says when, and others on the event loop
   * come first.
   */
  mayMove(bytes: number): Promise<void> | undefined {
    const { budget } = this.#home
    if (budget.isSpent) return new Promise((resolve) => budget.wait(bytes, resolve))
    budget.spend(bytes)
    return undefined
  }

  /** The driver has made chains available. @internal */
  notify(): void {
    if (this.#service !== undefined && this.#state === 'running') this.#service.kick.signal()
    else this.#go()
  }

  /** Resolves when the device has given all chains back. It gets no more until {@link resume}. @internal */
  pause(): Promise<void> {
    if (this.#state === 'running') this.#state = 'paused'
    this.#takeNoTurn()
    this.#service?.stop()
    if (this.#inFlight === 0) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** @internal */
  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'running'
    this.#service?.resume()
    this.notify()
  }

  /** The device gets no more chains, and what it gives back the driver does not hear of. @internal */
  end(): void {
    this.#state = 'over'
    this.#takeNoTurn()
    const service = this.#service
    if (service === undefined) return
    this.#service = undefined
    this.#home.delegated(undefined)
    service.close()
  }

  /** How far it has come; when all chains have been given back. @internal */
  save(): RingState {
    return this.#service?.stop() ?? this.#ring.save()
  }

  #go(): void {
    if (this.#worker !== undefined) this.#work()
    else if (this.#state === 'running') this.#tell()
  }

  #work(): void {
    // What comes while it waits for its turn is done in that turn.
    if (this.#worker === undefined || this.#worker.isWorking || this.#cancelTurn !== undefined) return
    const isDone = this.#worker.work()
    this.#interrupt()
    if (!isDone) this.#waitForTurn()
  }

  #waitForTurn(): void {
    this.#cancelTurn ??= this.#home.budget.wait(0, () => {
      this.#cancelTurn = undefined
      this.#go()
    })
  }

  #takeNoTurn(): void {
    this.#cancelTurn?.()
    this.#cancelTurn = undefined
  }

  /** A device that waits for chains. */
  #tell(): void {
    try {
      this.#available?.()
    } catch (error) {
      this.#fail(error)
    }
  }

  /** While there are chains the driver need not say that there are more. */
  #next(): Chain | undefined {
    const chain = this.#ring.pop() ?? this.#last()
    if (chain !== undefined && this.#notifiable) {
      this.#notifiable = false
      this.#ring.disableNotifications()
    }
    return chain
  }

  /** Is there one after all, that came before the driver could know that it is to notify? */
  #last(): Chain | undefined {
    this.#notifiable = true
    return this.#ring.enableNotifications() ? this.#ring.pop() : undefined
  }

  #interrupt(): void {
    if (this.#state === 'over') return
    try {
      if (this.#ring.interruptWanted()) this.#home.interrupt()
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    if (this.#state === 'over') return
    this.end()
    this.#home.fail(error)
  }
}
