import { BROADCAST, isGroup, macKey } from './mac-address.js'

/** What the commands of class VIRTIO_NET_CTRL_RX set (virtio 1.2, 5.1.6.5.1), by their numbers. */
export const RX_MODES = [
  'promiscuous',
  'allMulticast',
  'allUnicast',
  'noMulticast',
  'noUnicast',
  'noBroadcast',
] as const
export type RxMode = (typeof RX_MODES)[number]

/** How many addresses of a kind it looks for. With more, it lets all of that kind through. */
const MAX_ADDRESSES = 64
/** How many it remembers: one more is enough to know that there are too many. */
export const MAX_REMEMBERED = MAX_ADDRESSES + 1

/** Which frames a guest receives. A driver that says nothing receives all. */
export class ReceiveFilter {
  /** {@link RX_MODES}, a bit each. */
  modes = 1
  #unicast: readonly number[] = []
  #multicast: readonly number[] = []

  set(mode: RxMode, on: boolean): void {
    const bit = 1 << RX_MODES.indexOf(mode)
    this.modes = on ? this.modes | bit : this.modes & ~bit
  }

  /** Beside the card's own. */
  get addresses(): readonly [unicast: readonly number[], multicast: readonly number[]] {
    return [this.#unicast, this.#multicast]
  }

  set addresses([unicast, multicast]) {
    this.#unicast = unicast.slice(0, MAX_REMEMBERED)
    this.#multicast = multicast.slice(0, MAX_REMEMBERED)
  }

  accepts(frame: Uint8Array, own: number): boolean {
    if (this.#has('promiscuous')) return true
    const address = macKey(frame, 0)
    if (address === BROADCAST) return !this.#has('noBroadcast')
    if (isGroup(frame, 0)) {
      return !this.#has('noMulticast') && (this.#has('allMulticast') || isIn(this.#multicast, address))
    }
    return !this.#has('noUnicast') && (address === own || this.#has('allUnicast') || isIn(this.#unicast, address))
  }

  reset(): void {
    this.modes = 1
    this.addresses = [[], []]
  }

  #has(mode: RxMode): boolean {
    return (this.modes & (1 << RX_MODES.indexOf(mode))) !== 0
  }
}

function isIn(addresses: readonly number[], address: number): boolean {
  return addresses.length > MAX_ADDRESSES || addresses.includes(address)
}
