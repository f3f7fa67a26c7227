import { ValueCell } from '../../bus/cells.js'
import type { Device, Stateful } from '../../bus/device.js'
import type { ResetControl, ResetControlState } from '../../devices/reset-control.js'

/** Where the reset control register is among PCI's configuration ports. */
const RESET_CONTROL = 1
const ADDRESS = 0
const DATA = 4
const WIDTH = 4
const ONES = 0xff
const NO_DEVICE = 0xffff_ffffn

/**
 * The ports of PCI's configuration mechanism 1 without PCI: ones are read, writes are swallowed, which kernels do some hundred
 * times. The second byte of the address register is a register of its own when a byte is accessed there (PCI specification
 * 3.0, 3.2.2.3.2: only whole words of 32 bits are the mechanism's).
 */
export class PciPorts implements Device, Stateful<ResetControlState> {
  readonly #resetControl: ResetControl
  readonly cells = [
    // Not its reads: who reads the reset control register must see what he has just written. And no byte of it: a reset is
    // to come at once.
    new ValueCell({ offset: ADDRESS, width: WIDTH, whole: true, write: 'lazy' }),
    new ValueCell({ offset: DATA, width: WIDTH, write: 'lazy', value: NO_DEVICE }),
  ]

  constructor(resetControl: ResetControl) {
    this.#resetControl = resetControl
  }

  read(offset: number, data: Uint8Array): void {
    if (isResetControl(offset, data)) this.#resetControl.read(0, data)
    else data.fill(ONES)
  }

  write(offset: number, data: Uint8Array): void {
    if (isResetControl(offset, data)) this.#resetControl.write(0, data)
  }

  reset(): void {
    this.#resetControl.reset()
  }

  save(): ResetControlState {
    return this.#resetControl.save()
  }

  restore(state: ResetControlState): void {
    this.#resetControl.restore(state)
  }
}

export const isResetControl = (offset: number, data: Uint8Array) => offset === RESET_CONTROL && data.length === 1
