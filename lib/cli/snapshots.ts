import type { Machine } from '../machine/index.js'

/** Node takes SIGUSR1 for its inspector. */
const SIGNAL = 'SIGUSR2'

/** Takes snapshots of a guest on the command line, when it is told to. */
export class Snapshots {
  readonly #machine: Machine
  readonly #directory: string | undefined
  readonly #say: (text: string) => void
  #taking: Promise<void> | undefined

  constructor(machine: Machine, directory: string | undefined, say: (text: string) => void) {
    this.#machine = machine
    this.#directory = directory
    this.#say = say
    if (directory !== undefined) process.on(SIGNAL, this.#onSignal)
  }

  /** One at a time. */
  take(): Promise<void> {
    if (this.#directory === undefined) {
      this.#say('where to? Start with --snapshot-to DIRECTORY')
      return Promise.resolve()
    }
    const directory = this.#directory
    this.#taking ??= this.#take(directory).finally(() => {
      this.#taking = undefined
    })
    return this.#taking
  }

  /** Waits for one that is being written. */
  async close(): Promise<void> {
    process.off(SIGNAL, this.#onSignal)
    await this.#taking
  }

  async #take(directory: string): Promise<void> {
    try {
      await this.#machine.snapshot(directory)
      this.#say(`a snapshot is in ${directory}`)
    } catch (error) {
      this.#say(`no snapshot: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  readonly #onSignal = () => void this.take()
}
