import type { FastDevice, FastPath, FastPaths } from '../../bus/fast-paths.js'
import type { Stateful } from '../../bus/device.js'
import type { ResetControl, ResetControlState } from '../../devices/reset-control.js'
import { PCI_CONFIG_LENGTH } from './platform.js'

/** Where the reset control register is among PCI's configuration ports. */
const RESET_CONTROL = 1
const DATA = 4
const DATA_LENGTH = 4
const ONES = 0xff
const NO_DEVICE = 0xffff_ffffn

/**
 * The ports of PCI's configuration mechanism 1 without PCI: ones are read, writes are swallowed, which kernels do some hundred
 * times. The second byte of the address register is a register of its own when a byte is accessed there (PCI specification
 * 3.0, 3.2.2.3.2: only whole words of 32 bits are the mechanism's).
 */
export class PciPorts implements FastDevice, Stateful<ResetControlState> {
  readonly #resetControl: ResetControl
  #paths: FastPath[] = []

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

  attachFastPaths(paths: FastPaths): void {
    this.detachFastPaths()
    this.#paths = [
      // Before the other range: where they overlap, the first one counts. Not lazily: a reset is to come at once.
      paths.postWrites(RESET_CONTROL, 1),
      paths.postWrites(0, PCI_CONFIG_LENGTH, { lazy: true }),
      // Not the address: who reads the reset control register must see what he has just written.
      paths.latchRead(DATA, DATA_LENGTH, NO_DEVICE),
    ]
  }

  detachFastPaths(): void {
    for (const path of this.#paths.splice(0)) path.close()
  }
}

const isResetControl = (offset: number, data: Uint8Array) => offset === RESET_CONTROL && data.length === 1
