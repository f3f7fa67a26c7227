import type { FastPath, FastPaths, LatchedRegister } from '../bus/fast-paths.js'
import { DATA, LSR, LSR_ERRORS, MSR, MSR_DELTAS } from './serial-registers.js'

/** A latch that is there only while reading the register changes nothing. */
class QuietLatch {
  readonly #offset: number
  readonly #effects: number
  #latch: LatchedRegister | undefined
  #value = -1

  /** `effects`: the bits that reading would clear. */
  constructor(offset: number, effects: number) {
    this.#offset = offset
    this.#effects = effects
  }

  update(paths: FastPaths, value: number): void {
    if ((value & this.#effects) !== 0) this.close()
    else if (this.#latch === undefined) this.#latch = paths.latchRead(this.#offset, 1, BigInt(value))
    else if (value !== this.#value) this.#latch.value = BigInt(value)
    this.#value = value
  }

  close(): void {
    this.#latch?.close()
    this.#latch = undefined
  }
}

/**
 * What of the UART the vCPU threads answer. Sending is posted: the transmitter is always empty, so no register shows whether
 * a character has gone yet. In loopback that does not hold, since what is sent shows up in the receiver; sending is an
 * ordinary write then. With DLAB the same offset is the divisor latch; its writes arrive in order, before the next access
 * that exits. The status registers are latched unless a read of them has an effect.
 */
export class SerialFastRegisters {
  readonly #lineStatus = new QuietLatch(LSR, LSR_ERRORS)
  readonly #modemStatus = new QuietLatch(MSR, MSR_DELTAS)
  #paths: FastPaths | undefined
  #posted: FastPath | undefined

  attach(paths: FastPaths): void {
    this.detach()
    this.#paths = paths
  }

  detach(): void {
    this.#posted?.close()
    this.#posted = undefined
    this.#lineStatus.close()
    this.#modemStatus.close()
    this.#paths = undefined
  }

  update(loopback: boolean, lineStatus: number, modemStatus: number): void {
    const paths = this.#paths
    if (paths === undefined) return
    if (loopback) {
      this.#posted?.close()
      this.#posted = undefined
    } else this.#posted ??= paths.postWrites(DATA, 1)
    this.#lineStatus.update(paths, lineStatus)
    this.#modemStatus.update(paths, modemStatus)
  }
}
