/** A wire from a device to an interrupt controller. Setting the level that it has already does nothing. */
export interface InterruptLine {
  set(level: boolean): void
}

/** A line that leads nowhere: for devices that are polled. */
export const UNCONNECTED: InterruptLine = { set: () => undefined }

/**
 * The device's end of a line. It remembers the level, so that a device may say after every register access what the level is
 * now, and the controller (an ioctl, with KVM's irqchip) hears of changes only.
 */
export class InterruptOutput implements InterruptLine {
  readonly #line: InterruptLine
  #level = false

  constructor(line: InterruptLine) {
    this.#line = line
  }

  get level(): boolean {
    return this.#level
  }

  set(level: boolean): void {
    if (level === this.#level) return
    this.#level = level
    this.#line.set(level)
  }

  /** Says the level whatever it was before: after a restore, the controller may know another one. */
  drive(level: boolean): void {
    this.#level = level
    this.#line.set(level)
  }
}

/** One line that several devices pull: it is high while any of them says so (wired or). */
export class SharedInterruptLine {
  readonly #output: InterruptOutput
  readonly #high = new Set<InterruptLine>()

  constructor(line: InterruptLine) {
    this.#output = new InterruptOutput(line)
  }

  get level(): boolean {
    return this.#output.level
  }

  /** A line for one more device. */
  source(): InterruptLine {
    const source: InterruptLine = {
      set: (level) => {
        if (level) this.#high.add(source)
        else this.#high.delete(source)
        this.#output.set(this.#high.size > 0)
      },
    }
    return source
  }
}
