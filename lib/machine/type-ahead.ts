import { Readable } from 'node:stream'

import { OutputBuffer } from '../devices/output-buffer.js'
import { KvmError } from '../errors.js'

/** How much the stream itself holds, ready to be read. */
const READY = 4096

/** What has been typed for a guest and waits until it reads, up to a limit in bytes. */
export class TypeAhead extends Readable {
  readonly #buffer: OutputBuffer

  constructor(limit: number) {
    super({ highWaterMark: READY })
    this.#buffer = new OutputBuffer({
      write: (bytes) => this.push(bytes),
      limit,
      defer: (flush) => {
        flush()
      },
    })
  }

  override _read(): void {
    this.#buffer.resume()
  }

  /** All of it, or nothing and `ERR_KVM_CONSOLE_FULL`. */
  type(text: string): void {
    const { limit } = this.#buffer
    const bytes = Buffer.from(text)
    const waiting = this.#buffer.waiting + this.readableLength
    if (waiting + bytes.length > limit) {
      throw new KvmError(
        'ERR_KVM_CONSOLE_FULL',
        `${bytes.length} bytes are too many: ${waiting} wait already until the guest reads them, and ${limit} may; ` +
          'send less at a time and expect() its answer in between, or have new GuestConsole({ typeAhead }) hold more',
        { operands: { length: bytes.length, waiting, limit } },
      )
    }
    this.#buffer.output(bytes)
  }
}
