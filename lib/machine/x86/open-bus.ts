import type { FastDevice, FastPath, FastPaths } from '../../bus/fast-paths.js'

// In bytes; other accesses take the ordinary way.
const WIDTHS = [2, 4]
const ONES = 0xff

/** Ports that nothing answers and that guests often ask: ones are read, writes are swallowed, both without JavaScript. */
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
    this.#paths = [paths.postWrites(0, this.#length)]
    for (const width of WIDTHS) {
      const ones = (1n << BigInt(width * 8)) - 1n
      for (let offset = 0; offset < this.#length; offset += width)
        this.#paths.push(paths.latchRead(offset, width, ones))
    }
  }

  detachFastPaths(): void {
    for (const path of this.#paths.splice(0)) path.close()
  }
}
