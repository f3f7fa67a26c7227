import { type InterruptLine, InterruptOutput } from '../bus/interrupt-line.js'

/** A function's interrupt line (INTx): level, as the function wants it unless its guest has it off. */
export class InterruptPin implements InterruptLine {
  readonly #output: InterruptOutput
  readonly #changed: () => void
  #wanted = false

  /** `changed`: the function wants another level. */
  constructor(line: InterruptLine, changed: () => void) {
    this.#output = new InterruptOutput(line)
    this.#changed = changed
  }

  get wanted(): boolean {
    return this.#wanted
  }

  set(level: boolean): void {
    if (level === this.#wanted) return
    this.#wanted = level
    this.#changed()
  }

  /** Whether the guest lets it through. */
  drive(enabled: boolean): void {
    this.#output.set(this.#wanted && enabled)
  }

  /** After a restore the controller may know another level. */
  restore(level: boolean, enabled: boolean): void {
    this.#wanted = level
    this.#output.drive(level && enabled)
  }
}
