import { ReceiveFilter } from './receive-filter.js'
import { noStatistics } from './statistics.js'

/** What both ways of frames, to the guest and from it, know of their card. */
export class NetCard {
  readonly statistics = noStatistics()
  /** Which frames the guest wants. */
  readonly filter = new ReceiveFilter()
  /** What the driver has accepted. */
  features = 0n
  mac: Uint8Array
  /** The driver is to tell the network where it is, and has not said that it has. */
  isAnnouncing = false
  // What the program says of the link, and what the back end does.
  isPlugged = true
  isConnected = true

  constructor(mac: Uint8Array) {
    this.mac = mac
  }

  get link(): boolean {
    return this.isPlugged && this.isConnected
  }

  has(feature: bigint): boolean {
    return (this.features & feature) !== 0n
  }
}
