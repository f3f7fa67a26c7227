import { constants } from 'node:os'

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const

export type EndingSignal = (typeof ENDING)[number]

/** The exit status that shells give to a process which a signal has ended. */
export const statusOf = (signal: EndingSignal) => 128 + constants.signals[signal]

/** The signals that end this process. The first one lets a guest that runs end by `end`; any other ends all at once. */
export class EndingSignals {
  /** While there is something to end. */
  end: (() => void) | undefined
  /** The first one that came. */
  received: EndingSignal | undefined

  constructor() {
    for (const signal of ENDING) process.on(signal, this.#onSignal)
  }

  close(): void {
    for (const signal of ENDING) process.off(signal, this.#onSignal)
  }

  readonly #onSignal = (signal: EndingSignal) => {
    const { end } = this
    this.end = undefined
    this.received ??= signal
    // What is to be done at the process's end is done: the terminal is given back.
    if (end === undefined) process.exit(statusOf(signal))
    end()
  }
}
