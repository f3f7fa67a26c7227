import type { CounterRegister, CounterStart, FastPaths } from '../bus/fast-paths.js'
import * as R from './acpi-pm-registers.js'
import { QuietLatch } from './quiet-latch.js'

const PM1_LENGTH = 2

/**
 * What of power management the vCPU threads answer: the timer, which kernels read thousands of times to calibrate others, and
 * the two registers that change by the guest's own writes only. The status is none of them: that the timer's highest bit has
 * changed is found out when the guest reads it.
 */
export class AcpiPmFastRegisters {
  readonly #enable = new QuietLatch(R.PM1_ENABLE, { width: PM1_LENGTH })
  readonly #control = new QuietLatch(R.PM1_CONTROL, { width: PM1_LENGTH })
  #paths: FastPaths | undefined
  #timer: CounterRegister | undefined

  /** `timer`: how it counts, if it does so on the clock that the threads have. */
  attach(paths: FastPaths, timer: CounterStart | undefined): void {
    this.detach()
    this.#paths = paths
    if (timer !== undefined) this.#timer = paths.latchCounter(R.PM_TIMER, R.PM_TIMER_LENGTH, timer)
  }

  detach(): void {
    this.#enable.close()
    this.#control.close()
    this.#timer?.close()
    this.#timer = undefined
    this.#paths = undefined
  }

  /** Before anybody can hear that they have changed. */
  update(enable: number, control: number): void {
    if (this.#paths === undefined) return
    this.#enable.update(this.#paths, enable)
    this.#control.update(this.#paths, control)
  }

  setTimer({ value, epoch }: CounterStart): void {
    this.#timer?.set(value, epoch)
  }
}
