import type { FastPath, FastPaths } from '../bus/fast-paths.js'
import { QuietLatch } from './quiet-latch.js'
import { DATA, IER, LCR, LSR, LSR_ERRORS, MSR, MSR_DELTAS } from './serial-registers.js'

/**
 * What of the UART the vCPU threads answer. Sending is posted: the transmitter is always empty, so no register shows whether
 * a character has gone yet. In loopback that does not hold, since what is sent shows up in the receiver; sending is an
 * ordinary write then. With DLAB the same offset is the divisor latch; its writes arrive in order, before the next access
 * that exits. Nothing that is latched depends on interrupt enable and line control, so their writes are posted as well: a
 * kernel turns the interrupts off and on for each line that it prints. Line control does nothing by itself, and is lazy. The
 * status registers are latched unless a read of them has an effect.
 */
export class SerialFastRegisters {
  readonly #lineStatus = new QuietLatch(LSR, { effects: LSR_ERRORS })
  readonly #modemStatus = new QuietLatch(MSR, { effects: MSR_DELTAS })
  #paths: FastPaths | undefined
  #control: FastPath[] = []
  #sending: FastPath | undefined

  attach(paths: FastPaths): void {
    this.detach()
    this.#paths = paths
    this.#control = [paths.postWrites(IER, 1), paths.postWrites(LCR, 1, { lazy: true })]
  }

  detach(): void {
    for (const posted of this.#control.splice(0)) posted.close()
    this.#sending?.close()
    this.#sending = undefined
    this.#lineStatus.close()
    this.#modemStatus.close()
    this.#paths = undefined
  }

  update(loopback: boolean, lineStatus: number, modemStatus: number): void {
    const paths = this.#paths
    if (paths === undefined) return
    if (loopback) {
      this.#sending?.close()
      this.#sending = undefined
    } else this.#sending ??= paths.postWrites(DATA, 1)
    this.#lineStatus.update(paths, lineStatus)
    this.#modemStatus.update(paths, modemStatus)
  }
}
