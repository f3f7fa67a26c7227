import { StringDecoder } from 'node:string_decoder'

import { GuestConsole, type GuestConsoleOptions } from '../machine/index.js'

/** How much of a line is looked at, in characters: a guest can write one that never ends. */
const MAX_LINE = 1024

/** A console on which somebody looks for the lines of a guest that has failed. */
export class WatchedConsole extends GuestConsole {
  readonly #patterns: readonly RegExp[]
  readonly #decoder = new StringDecoder('utf8')
  #line = ''
  #soon: NodeJS.Immediate | undefined
  #received = 0
  #failed = false
  /** The line with which the guest has failed is whole. */
  #whole = false
  /** Is called once; the line may not be whole yet. */
  onFailure: (() => void) | undefined

  constructor(patterns: readonly RegExp[], options: GuestConsoleOptions) {
    super(options)
    this.#patterns = patterns
  }

  /** How many bytes the guest has written. */
  get received(): number {
    return this.#received
  }

  /** The line with which the guest has failed, or else the last one. */
  get line(): string {
    return this.#line.trimEnd()
  }

  override receive(bytes: Uint8Array): void {
    super.receive(bytes)
    this.#received += bytes.length
    if (this.#whole || this.#patterns.length === 0) return
    const [first = '', ...others] = this.#decoder.write(bytes).split('\n')
    this.#append(first)
    for (const other of others) {
      this.lookAtLine()
      this.#whole = this.#failed
      if (this.#whole) return
      this.#line = ''
      this.#append(other)
    }
    // Once a turn, and not for each character; the guest may write no more of it.
    this.#soon ??= setImmediate(() => {
      this.lookAtLine()
    })
  }

  /** Looks at the line as far as it is there. */
  lookAtLine(): void {
    clearImmediate(this.#soon)
    this.#soon = undefined
    if (this.#failed || !this.#patterns.some((pattern) => pattern.test(this.#line))) return
    this.#failed = true
    this.onFailure?.()
  }

  #append(text: string): void {
    if (this.#line.length < MAX_LINE) this.#line += text.slice(0, MAX_LINE - this.#line.length)
  }
}
