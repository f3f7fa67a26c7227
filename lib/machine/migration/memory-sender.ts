import { readSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import type { Vm } from '../../kvm/vm.js'
import type { Channel } from '../../snapshot/migration/channel.js'
import { encodeAddress, MOST_MEMORY } from '../../snapshot/migration/frames.js'
import { isZero, runsWhere } from '../../snapshot/pages.js'
import { PAGE } from '../machine-memory.js'
import type { Part } from '../ram.js'
import type { PageSet, Run } from './page-set.js'

/** What is looked at through one ArrayBuffer. */
const WINDOW = 2 ** 24

/** Sends the pages of a machine's memory. */
export class MemorySender {
  readonly #vm: Vm
  readonly #parts: readonly Part[]
  readonly #channel: Channel
  readonly #piece = Buffer.alloc(MOST_MEMORY)
  #window: { part: Part; start: number; bytes: Uint8Array } | undefined
  #sent = 0

  constructor(vm: Vm, parts: readonly Part[], channel: Channel) {
    this.#vm = vm
    this.#parts = parts
    this.#channel = channel
  }

  /** How many bytes of memory have been sent. */
  get sent(): number {
    return this.#sent
  }

  /** All pages but those of zeros, which the other side has. */
  async sendAll(): Promise<void> {
    for (const { region } of this.#parts) {
      const { at, size } = region
      for (let done = 0; done < size; done += MOST_MEMORY) {
        await this.#send({ at: at + done, size: Math.min(MOST_MEMORY, size - done) }, false)
      }
    }
  }

  async send(pages: PageSet): Promise<void> {
    for (const run of pages.runs(MOST_MEMORY)) await this.#send(run, true)
  }

  async #send({ at, size }: Run, zeros: boolean): Promise<void> {
    // A refusal need not wait for the end of the round.
    await this.#channel.checkQuiet()
    const bytes = this.#piece.subarray(0, size)
    this.#read(at, bytes)
    for (const [first, count] of runsWhere(bytes, (page) => !isZero(page))) {
      const pages = bytes.subarray(first * PAGE, (first + count) * PAGE)
      this.#sent += pages.length
      await this.#channel.send('pages', encodeAddress(at + first * PAGE), pages)
    }
    for (const [first, count] of zeros ? runsWhere(bytes, isZero) : []) {
      await this.#channel.send('zeros', encodeAddress(at + first * PAGE), encodeAddress(count * PAGE))
    }
    // The guest and its devices have their turn, however fast the stream is.
    if (size === MOST_MEMORY) await setImmediate()
  }

  #read(at: number, bytes: Buffer): void {
    const part = this.#parts.find(({ region }) => at >= region.at && at < region.at + region.size) as Part
    const { kind, region } = part
    const { memory, offset } = this.#vm.hostMemory(region)
    // A page that has never been touched, looked at through a mapping, would be there then.
    if (kind !== 'beside' && memory.fd !== undefined) {
      readSync(memory.fd, bytes, 0, bytes.length, at - region.at)
      return
    }
    for (let done = 0; done < bytes.length;) {
      const from = at - region.at + done
      const start = from - (from % WINDOW)
      if (this.#window?.part !== part || this.#window.start !== start || this.#window.bytes.length === 0) {
        const length = Math.min(WINDOW, region.size - start)
        this.#window = { part, start, bytes: new Uint8Array(memory.buffer(offset + start, length)) }
      }
      const piece = this.#window.bytes.subarray(from - start, from - start + bytes.length - done)
      bytes.set(piece, done)
      done += piece.length
    }
  }
}
