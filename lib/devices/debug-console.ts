import { ValueCell } from '../bus/cells.js'
import { checkInteger, checkOptions } from '../validate.js'
import { ByteDevice } from './byte-access.js'
import type { Output } from './output-buffer.js'

export interface DebugConsoleOptions {
  output?: Output
  /** What the port reads as, by which a guest knows that the console is there. Default: 0xe9. */
  readback?: number
}

/** How Bochs' port 0xe9 answers, and firmware's at 0x402. */
const READBACK = 0xe9

/** The debug console of Bochs and QEMU: one port, 0xe9 or 0x402; each byte written is put out. It has no state. */
export class DebugConsole extends ByteDevice {
  readonly #output: Output
  readonly #readback: number
  readonly #byte = new Uint8Array(1)
  readonly cells: readonly ValueCell[]

  constructor(options: DebugConsoleOptions = {}) {
    super()
    checkOptions('options', options, ['output', 'readback'])
    this.#output = options.output ?? (() => undefined)
    this.#readback = checkInteger('readback', options.readback ?? READBACK, 0, 0xff)
    this.cells = [new ValueCell({ offset: 0, write: 'post', value: BigInt(this.#readback) })]
  }

  protected override readByte(): number {
    return this.#readback
  }

  protected override writeByte(_offset: number, value: number): void {
    this.#byte[0] = value
    this.#output(this.#byte)
  }
}
