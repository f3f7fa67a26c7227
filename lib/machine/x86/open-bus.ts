import { ValueCell } from '../../bus/cells.js'
import type { Device } from '../../bus/device.js'

// In bytes: the widest register of which a thread answers reads; it also answers each access within it.
const WIDTH = 8
const ONES = 0xff

/** Ports where kernels look for what may not be there: ones are read, writes are swallowed, both without JavaScript. */
export class OpenBus implements Device {
  readonly cells: readonly ValueCell[]

  constructor(length: number) {
    this.cells = Array.from({ length: Math.ceil(length / WIDTH) }, (_, index) => {
      const offset = index * WIDTH
      const width = Math.min(WIDTH, length - offset)
      return new ValueCell({ offset, width, write: 'lazy', value: (1n << BigInt(width * 8)) - 1n })
    })
  }

  read(_offset: number, data: Uint8Array): void {
    data.fill(ONES)
  }

  write(): void {
    // Nothing is there.
  }
}
