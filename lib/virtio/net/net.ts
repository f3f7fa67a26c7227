import { Registers } from '../../bus/registers.js'
import { KvmError } from '../../errors.js'
import { StateReader, type Versioned } from '../../state.js'
import { checkBoolean } from '../../validate.js'
import { RateLimiter, type RateLimits } from '../rate-limiter.js'
import type { VirtioDevice, VirtioHost } from '../virtio-device.js'
import type { Virtqueue } from '../virtqueue.js'
import type { NetBackend } from './backend.js'
import { NetCard } from './card.js'
import { execute, type NetCommands } from './control-queue.js'
import * as F from './features.js'
import { formatMac, MAC_LENGTH } from './mac-address.js'
import { checkNetOptions, type NetOptions } from './options.js'
import { MAX_REMEMBERED, RX_MODES } from './receive-filter.js'
import { Receiver } from './receiver.js'
import type { NetStatistics } from './statistics.js'
import { Transmitter } from './transmitter.js'

export interface NetState extends Versioned {
  mac: number[]
  queuePairs: number
  /** Which frames the driver wants: a bit for each of the commands of class VIRTIO_NET_CTRL_RX. */
  modes: number
  unicast: number[]
  multicast: number[]
}

const ALWAYS =
  F.VIRTIO_NET_F_MAC |
  F.VIRTIO_NET_F_STATUS |
  F.VIRTIO_NET_F_MRG_RXBUF |
  F.VIRTIO_NET_F_CTRL_VQ |
  F.VIRTIO_NET_F_CTRL_RX |
  F.VIRTIO_NET_F_CTRL_RX_EXTRA
const STATUS_LINK_UP = 1
const CONTROL_QUEUE_SIZE = 64
const STATE_VERSION = 1
const MAX_MAC = 2 ** 48 - 1

/** A network card (virtio 1.2, 5.1). */
export class Net implements VirtioDevice {
  readonly id = 1
  readonly features: bigint
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
    this.queueSizes = [...Array<number>(2 * queuePairs).fill(queueSize), CONTROL_QUEUE_SIZE]
    const card = (this.#card = new NetCard(mac))
    this.config = new Registers([
      ...Array.from({ length: MAC_LENGTH }, (_, offset) => {
        return { name: `mac[${offset}]`, offset, width: 1 as const, read: () => card.mac[offset] ?? 0 }
      }),
      { name: 'status', offset: 6, width: 2, read: () => (card.link ? STATUS_LINK_UP : 0) },
      { name: 'max_virtqueue_pairs', offset: 8, width: 2, read: () => queuePairs },
      { name: 'mtu', offset: 10, width: 2, read: () => mtu ?? 0 },
    ])
    this.#transmitter = new Transmitter(card, this.#sendLimiter, backend, checkSource ? mac : undefined)
    this.#receiver = new Receiver(card, this.#receiveLimiter, {
      resume: () => backend.resume?.(),
      fail: (error) => this.#host?.needsReset(error),
    })
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
    this.#host?.configChanged()
  }

  get statistics(): Readonly<NetStatistics> {
    return this.#card.statistics
  }

  /** How much the guest may send. */
  get sendLimits(): RateLimits {
    return this.#sendLimiter.limits
  }

  set sendLimits(limits) {
    this.#sendLimiter.limits = limits
  }

  /** How much it may receive. */
  get receiveLimits(): RateLimits {
    return this.#receiveLimiter.limits
  }

  set receiveLimits(limits) {
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
    if (role === 'control') queue.serve((chain) => execute(chain, this.#commands))
    else if (role === 'receive') this.#receiver.start(queue, queue.index >> 1)
    else if (role === 'transmit') this.#transmitter.start(queue, queue.index >> 1)
  }

  stopQueue(queue: Virtqueue): void {
    const role = this.#roleOf(queue)
    if (role === 'receive') this.#receiver.stop(queue.index >> 1)
    else if (role === 'transmit') this.#transmitter.stop(queue)
  }

  reset(): void {
    const card = this.#card
    card.features = 0n
    card.mac = this.#ownMac
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
    const { mac, filter } = this.#card
    const [unicast, multicast] = filter.addresses
    return {
      version: STATE_VERSION,
      mac: [...mac],
      queuePairs: this.#receiver.pairs,
      modes: filter.modes,
      unicast: [...unicast],
      multicast: [...multicast],
    }
  }

  restore(state: NetState): void {
    const reader = new StateReader(this.#host?.name ?? 'net', state, STATE_VERSION)
    const mac = Uint8Array.from(reader.integers('mac', MAC_LENGTH, 0xff, true))
    if (this.#checkSource && formatMac(mac) !== formatMac(this.#ownMac)) throw this.#otherMac(mac)
    const pairs = reader.integer('queuePairs', this.#pairs, 1)
    const modes = reader.bits('modes', 2 ** RX_MODES.length - 1)
    const addresses = ['unicast', 'multicast'].map((each) => reader.integers(each, MAX_REMEMBERED, MAX_MAC))
    this.#card.mac = mac
    this.#receiver.pairs = pairs
    this.#card.filter.modes = modes
    this.#card.filter.addresses = [addresses[0] ?? [], addresses[1] ?? []]
  }

  /** It would be silent: all that its guest sends would be refused. */
  #otherMac(mac: Uint8Array): KvmError {
    const device = this.#host?.name ?? 'net'
    const [value, own] = [formatMac(mac), formatMac(this.#ownMac)]
    return new KvmError(
      'ERR_KVM_INVALID_STATE',
      `the saved state of ${device} has the address ${value}, and with checkSource this card has ${own} only; make it with mac: '${value}'`,
      { operands: { device, member: 'mac', value } },
    )
  }

  /** Where the queue of commands is depends on what was agreed (virtio 1.2, 5.1.2). */
  #roleOf({ index }: Virtqueue): 'receive' | 'transmit' | 'control' | 'none' {
    const pairs = this.#card.has(F.VIRTIO_NET_F_MQ) ? this.#pairs : 1
    if (index < 2 * pairs) return index % 2 === 0 ? 'receive' : 'transmit'
    return index === 2 * pairs && this.#card.has(F.VIRTIO_NET_F_CTRL_VQ) ? 'control' : 'none'
  }

  readonly #commands: NetCommands = {
    setMode: (mode, on) => {
      const isExtra = mode !== 'promiscuous' && mode !== 'allMulticast'
      if (!this.#card.has(isExtra ? F.VIRTIO_NET_F_CTRL_RX_EXTRA : F.VIRTIO_NET_F_CTRL_RX)) return false
      this.#card.filter.set(mode, on)
      return true
    },
    setAddresses: (unicast, multicast) => {
      if (!this.#card.has(F.VIRTIO_NET_F_CTRL_RX)) return false
      this.#card.filter.addresses = [unicast, multicast]
      return true
    },
    setMac: (mac) => {
      if (!this.#card.has(F.VIRTIO_NET_F_CTRL_MAC_ADDR)) return false
      this.#card.mac = mac
      return true
    },
    setQueuePairs: (pairs) => {
      if (!this.#card.has(F.VIRTIO_NET_F_MQ) || pairs < 1 || pairs > this.#pairs) return false
      this.#receiver.pairs = pairs
      return true
    },
  }
}
