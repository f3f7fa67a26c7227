import * as F from './features.js'
import * as STATUS from './status.js'

const HALF = 32n
const MASK32 = 0xffff_ffffn

/** What driver and device say to each other before they work: the status and the features (virtio 1.2, 2.1, 2.2 and 3.1). */
export class Negotiation {
  readonly offered: bigint
  status = 0
  accepted = 0n
  /** Which half of the features the driver reads, and which one it writes. */
  deviceSelect = 0
  driverSelect = 0

  /** `offered`: of the device's kind; `queueFeatures`: of all that queues can do, what this device's can. */
  constructor(offered: bigint, queueFeatures = F.QUEUE_FEATURES) {
    this.offered = offered | (F.QUEUE_FEATURES & queueFeatures)
  }

  /** Whether the driver has accepted that feature. */
  has(feature: bigint): boolean {
    return (this.accepted & feature) !== 0n
  }

  /** The selected half of what the device offers. */
  get deviceFeatures(): number {
    return half(this.offered, this.deviceSelect)
  }

  /** The selected half of what the driver has accepted. */
  get driverFeatures(): number {
    return half(this.accepted, this.driverSelect)
  }

  /** After FEATURES_OK nothing changes any more. */
  set driverFeatures(value: number) {
    if ((this.status & STATUS.FEATURES_OK) === 0) this.accepted = withHalf(this.accepted, this.driverSelect, value)
  }

  /** The queues are at work. */
  get isRunning(): boolean {
    return (this.status & STATUS.DRIVER_OK) !== 0 && !this.needsReset
  }

  get needsReset(): boolean {
    return (this.status & STATUS.DEVICE_NEEDS_RESET) !== 0
  }

  /** The driver writes another status than 0; what it may not write changes nothing. */
  advance(value: number): void {
    if (!STATUS.mayFollow(this.status, value)) return
    const refused = (value & STATUS.FEATURES_OK) !== 0 && !this.#featuresAreGood
    const taken = refused ? value & ~(STATUS.FEATURES_OK | STATUS.DRIVER_OK) : value
    this.status |= taken & ~STATUS.DEVICE_NEEDS_RESET
  }

  /** The device says that it cannot go on. */
  fail(): void {
    this.status |= STATUS.DEVICE_NEEDS_RESET
  }

  reset(): void {
    this.status = 0
    this.accepted = 0n
    this.deviceSelect = this.driverSelect = 0
  }

  /** Nothing but what was offered; and a driver of before virtio 1.0 is none. */
  get #featuresAreGood(): boolean {
    return (this.accepted & ~this.offered) === 0n && this.has(F.VIRTIO_F_VERSION_1)
  }
}

/** One half of a set of features: 0 is the low one, and of more than two there are none. */
export function half(features: bigint, select: number): number {
  return select > 1 ? 0 : Number((features >> (BigInt(select) * HALF)) & MASK32)
}

/** The same set with another half. */
export function withHalf(features: bigint, select: number, value: number): bigint {
  if (select > 1) return features
  const shift = BigInt(select) * HALF
  return (features & ~(MASK32 << shift)) | (BigInt(value) << shift)
}
