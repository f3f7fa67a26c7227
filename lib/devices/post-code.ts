import { ValueCell } from '../bus/cells.js'
import type { Stateful } from '../bus/device.js'
import { checkOptions } from '../validate.js'
import { ByteDevice } from './byte-access.js'
import { StateReader, type Versioned } from '../state.js'

export interface PostCodeOptions {
  /** Called for each code that differs from the one before. */
  code?: (code: number) => void
}

export interface PostCodeState extends Versioned {
  code: number
}

/**
 * Port 0x80, where firmware says how far its power-on self test has come. Kernels write to it to pass a moment; such writes
 * are posted.
 */
export class PostCode extends ByteDevice implements Stateful<PostCodeState> {
  readonly #report: (code: number) => void
  readonly cells = [new ValueCell({ offset: 0, write: 'post' })]
  #code = 0

  constructor(options: PostCodeOptions = {}) {
    super()
    checkOptions('options', options, ['code'])
    this.#report = options.code ?? (() => undefined)
  }

  /** The last code. */
  get code(): number {
    return this.#code
  }

  protected override readByte(): number {
    return this.#code
  }

  protected override writeByte(offset: number, value: number): void {
    if (offset !== 0 || value === this.#code) return
    this.#code = value
    this.#report(value)
  }

  reset(): void {
    this.#code = 0
  }

  save(): PostCodeState {
    return { version: 1, code: this.#code }
  }

  restore(state: PostCodeState): void {
    this.#code = new StateReader('the POST code port', state, 1).integer('code', 0xff)
  }
}
