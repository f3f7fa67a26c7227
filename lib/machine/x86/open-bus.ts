import type { FastDevice, FastPath, FastPaths } from '../../bus/fast-paths.js'

// In bytes: the widest latch, which also answers each access within it.
const WIDTH = 8
const ONES = 0xff

/** Ports where kernels look for what may not be there: ones are read, writes are swallowed, both without JavaScript. */
export class OpenBus implements FastDevice {
  readonly #length: number
  #paths: FastPath[] = []

  constructor(length: number) {
    this.#length = length
  }

  read(_offset: number, data: Uint8Array): void {
    data.fill(ONES)
  }

  write(): void {
    // Nothing is there.
  }

  attachFastPaths(paths: FastPaths): void {
    this.detachFastPaths()
    this.#paths = [paths.postWrites(0, this.#length, { lazy: true })]
    for (let offset = 0; offset < this.#length; offset += WIDTH) {
      const width = Math.min(WIDTH, this.#length - offset)
      this.#paths.push(paths.latchRead(offset, width, (1n << BigInt(width * 8)) - 1n))
    }
  }

  detachFastPaths(): void {
    for (const path of this.#paths.splice(0)) path.close()
  }
}
