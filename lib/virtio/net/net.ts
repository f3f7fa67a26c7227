import { Registers } from '../../bus/registers.js'
import { checkBoolean } from '../../validate.js'
import { RateLimiter, type RateLimits } from '../rate-limiter.js'
import type { VirtioDevice, VirtioHost } from '../virtio-device.js'
import type { Virtqueue } from '../virtqueue.js'
import type { NetBackend } from './backend.js'
import { NetCard } from './card.js'
import { netCommands } from './commands.js'
import { execute, type NetCommands } from './control-queue.js'
import * as F from './features.js'
import { formatMac, MAC_LENGTH } from './mac-address.js'
import { checkNetOptions, checkNoLimits, type NetOptions } from './options.js'
import { Receiver } from './receiver.js'
import { type NetState, restoreNet, saveNet } from './state.js'
import type { NetStatistics } from './statistics.js'
import { Transmitter } from './transmitter.js'

const ALWAYS =
  F.VIRTIO_NET_F_MAC |
  F.VIRTIO_NET_F_STATUS |
  F.VIRTIO_NET_F_MRG_RXBUF |
  F.VIRTIO_NET_F_CTRL_VQ |
  F.VIRTIO_NET_F_CTRL_RX |
  F.VIRTIO_NET_F_CTRL_RX_EXTRA |
  F.VIRTIO_NET_F_GUEST_ANNOUNCE
const STATUS_LINK_UP = 1
const STATUS_ANNOUNCE = 2
const CONTROL_QUEUE_SIZE = 64

/** A network card (virtio 1.2, 5.1). */
export class Net implements VirtioDevice {
  readonly id = 1
  readonly features: bigint
  readonly queueFeatures?: bigint
  readonly queueSizes: readonly number[]
  readonly config: Registers
  readonly #sendLimiter: RateLimiter
  readonly #receiveLimiter: RateLimiter
  readonly #backend: NetBackend
  readonly #pairs: number
  readonly #ownMac: Uint8Array
  readonly #checkSource: boolean
  readonly #card: NetCard
  readonly #receiver: Receiver
  readonly #transmitter: Transmitter
  readonly #commands: NetCommands
  readonly #onLink: (up: boolean, error?: unknown) => void
  #host: VirtioHost | undefined
  #isStarted = false

  /** `backend`: what it is plugged into. */
  constructor(backend: NetBackend, options: NetOptions = {}) {
    const { mac, mtu, queuePairs, queueSize, checkSource, onLink } = checkNetOptions(backend, options)
    this.#backend = backend
    this.#pairs = queuePairs
    this.#ownMac = mac
    this.#checkSource = checkSource
    this.#onLink = onLink
    this.#sendLimiter = new RateLimiter(options.sendLimits)
    this.#receiveLimiter = new RateLimiter(options.receiveLimits)
    this.features =
      ALWAYS |
      // A guest that chose its address would choose what it is checked for.
      (checkSource ? 0n : F.VIRTIO_NET_F_CTRL_MAC_ADDR) |
      (mtu === undefined ? 0n : F.VIRTIO_NET_F_MTU) |
      (queuePairs === 1 ? 0n : F.VIRTIO_NET_F_MQ) |
      ((backend.features ?? 0n) & (F.SEND_OFFLOADS | F.RECEIVE_OFFLOADS))
    if (backend.server !== undefined) this.queueFeatures = backend.server.features
    this.queueSizes = [...Array<number>(2 * queuePairs).fill(queueSize), CONTROL_QUEUE_SIZE]
    const card = (this.#card = new NetCard(mac))
    this.config = new Registers([
      ...Array.from({ length: MAC_LENGTH }, (_, offset) => {
        return { name: `mac[${offset}]`, offset, width: 1 as const, read: () => card.mac[offset] ?? 0 }
      }),
      {
        name: 'status',
        offset: 6,
        width: 2,
        read: () => (card.link ? STATUS_LINK_UP : 0) | (card.isAnnouncing ? STATUS_ANNOUNCE : 0),
      },
      { name: 'max_virtqueue_pairs', offset: 8, width: 2, read: () => queuePairs },
      { name: 'mtu', offset: 10, width: 2, read: () => mtu ?? 0 },
    ])
    this.#transmitter = new Transmitter(card, this.#sendLimiter, backend, checkSource ? mac : undefined)
    this.#receiver = new Receiver(card, this.#receiveLimiter, {
      resume: () => backend.resume?.(),
      fail: (error) => this.#host?.needsReset(error),
    })
    this.#commands = netCommands(card, this.#receiver, queuePairs)
  }

  /** The address at present: a driver may have set another one than it was made with. */
  get mac(): string {
    return formatMac(this.#card.mac)
  }

  /** Whether the guest sees a network. Setting it to false is pulling the cable: no frame passes. */
  get link(): boolean {
    return this.#card.link
  }

  set link(plugged) {
    this.#card.isPlugged = checkBoolean('link', plugged)
    this.#backend.plug?.(plugged)
    this.#host?.configChanged()
  }

  /**
   * Asks the guest to tell the network where it is, as after it has come to another host: Linux sends gratuitous ARP. Returns
   * whether its driver can.
   */
  announce(): boolean {
    const card = this.#card
    if (!card.has(F.VIRTIO_NET_F_GUEST_ANNOUNCE) || !card.has(F.VIRTIO_NET_F_CTRL_VQ)) return false
    card.isAnnouncing = true
    this.#host?.configChanged()
    return true
  }

  get statistics(): Readonly<NetStatistics> {
    return this.#card.statistics
  }

  /** How much the guest may send. */
  get sendLimits(): RateLimits {
    return this.#sendLimiter.limits
  }

  set sendLimits(limits) {
    checkNoLimits('sendLimits', limits, this.#backend)
    this.#sendLimiter.limits = limits
  }

  /** How much it may receive. */
  get receiveLimits(): RateLimits {
    return this.#receiveLimiter.limits
  }

  set receiveLimits(limits) {
    checkNoLimits('receiveLimits', limits, this.#backend)
    this.#receiveLimiter.limits = limits
  }

  attach(host: VirtioHost): void {
    this.#host = host
    this.#sendLimiter.attach(host)
    this.#receiveLimiter.attach(host)
    const card = this.#card
    this.#backend.attach({
      name: host.name,
      get features() {
        return card.features
      },
      receive: (frame, header, queue) => this.#receiver.receive(frame, header, queue),
      setLink: (up, error) => {
        if (up === card.isConnected) return
        card.isConnected = up
        host.configChanged()
        this.#onLink(up, error)
      },
    })
  }

  startQueue(queue: Virtqueue): void {
    this.#card.features = this.#host?.features ?? 0n
    if (!this.#isStarted) this.#backend.start?.()
    this.#isStarted = true
    const role = this.#roleOf(queue)
    const { server } = this.#backend
    if (role === 'control') queue.serve((chain) => execute(chain, this.#commands))
    else if (role !== 'none' && server !== undefined) queue.delegate(server)
    else if (role === 'receive') this.#receiver.start(queue, queue.index >> 1)
    else if (role === 'transmit') this.#transmitter.start(queue, queue.index >> 1)
  }

  stopQueue(queue: Virtqueue): void {
    if (this.#backend.server !== undefined) return
    const role = this.#roleOf(queue)
    if (role === 'receive') this.#receiver.stop(queue.index >> 1)
    else if (role === 'transmit') this.#transmitter.stop(queue)
  }

  reset(): void {
    const card = this.#card
    card.features = 0n
    card.mac = this.#ownMac
    card.isAnnouncing = false
    card.filter.reset()
    this.#receiver.pairs = 1
    this.#isStarted = false
  }

  /** What waits for its turn goes at once, and the guest gets back the buffers that nothing was received into. */
  pause(): void {
    this.#sendLimiter.release()
    this.#receiver.pause()
  }

  close(): void | Promise<void> {
    return this.#backend.close?.()
  }

  save(): NetState {
    return saveNet(this.#card, this.#receiver)
  }

  restore(state: NetState): void {
    const source = this.#checkSource ? this.#ownMac : undefined
    restoreNet(state, this.#card, this.#receiver, { name: this.#host?.name ?? 'net', pairs: this.#pairs, source })
  }

  /** Where the queue of commands is depends on what was agreed (virtio 1.2, 5.1.2). */
  #roleOf({ index }: Virtqueue): 'receive' | 'transmit' | 'control' | 'none' {
    const pairs = this.#card.has(F.VIRTIO_NET_F_MQ) ? this.#pairs : 1
    if (index < 2 * pairs) return index % 2 === 0 ? 'receive' : 'transmit'
    return index === 2 * pairs && this.#card.has(F.VIRTIO_NET_F_CTRL_VQ) ? 'control' : 'none'
  }
}
