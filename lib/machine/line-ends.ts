import type { Readable, Writable } from 'node:stream'

import { invalidArgument } from '../validate.js'
import { GuestConsole } from './console.js'
import { connectInput, type ConsoleInput, type InputLine } from './console-input.js'
import { ConsoleOutput, type OutputTarget } from './console-output.js'

/** What is at the host's end of a line. */
export interface LineEndOptions {
  /**
   * Where the guest's output goes: a stream, or a function that gets the bytes to keep, and no more while a promise that it
   * returned is pending. What waits is bounded (1 MiB), and so is how long the end of a run waits for it: until nothing has
   * been taken for 5 s. The rest is lost, and counted. An output that throws, or fails, ends the run: `ERR_KVM_DEVICE_FAILED`.
   */
  output?: OutputTarget
  /**
   * Where the guest's input comes from. It is read only as fast as the guest takes it. A stream that fails ends the run:
   * `ERR_KVM_DEVICE_FAILED`.
   */
  input?: Readable
  /** A script's end of the line, instead of `input` and beside `output`. */
  console?: GuestConsole
}

/** A line with its plug in. */
export interface Plug {
  /** The guest has room for more. */
  resume: () => void
  unplug: () => void
}

/** The host's end of a line, over all lives of the guest. */
export class LineEnds {
  readonly #name: string
  readonly #console: GuestConsole | undefined
  readonly #sink: ConsoleOutput | undefined
  readonly #input: Readable | undefined

  /** `name` is what messages call the line. */
  constructor(name: string, { output, input, console }: LineEndOptions) {
    if (console !== undefined && !(console instanceof GuestConsole)) {
      throw invalidArgument('console', console, 'a GuestConsole')
    }
    if (console !== undefined && input !== undefined) {
      throw invalidArgument('input', input, 'absent: the console has the line')
    }
    if (output !== undefined && !isOutput(output)) {
      throw invalidArgument('output', output, 'a writable stream or a function')
    }
    this.#name = name
    this.#console = console
    this.#sink = output === undefined ? undefined : new ConsoleOutput(name, output)
    this.#input = input
  }

  /** How many bytes of the guest's output have been lost. */
  get lost(): number {
    return this.#sink?.lost ?? 0
  }

  /** Takes what the guest writes; `bytes` is valid during the call only. */
  write(bytes: Uint8Array): void {
    this.#console?.receive(bytes)
    this.#sink?.write(bytes)
  }

  /** A guest's life begins. `fail` ends its run. */
  plugIn(line: InputLine, fail: (error: unknown) => void): Plug {
    let source: ConsoleInput | undefined
    // First: it refuses when the line has another machine.
    const from = this.#console?.attach() ?? this.#input
    const undo = [() => this.#console?.detach()]
    const unplug = () => {
      for (const each of undo.splice(0)) each()
    }
    try {
      if (this.#sink !== undefined) undo.unshift(this.#sink.open(fail))
      if (from !== undefined) {
        source = connectInput(from, line, this.#name, fail)
        undo.unshift(source.detach)
      }
    } catch (error) {
      unplug()
      throw error
    }
    return { resume: () => source?.resume(), unplug }
  }

  /** The machine is over. Resolves when its output has been taken, or will not be. */
  async ended(): Promise<void> {
    this.#console?.end()
    await this.#sink?.settled()
  }
}

function isOutput(output: unknown): boolean {
  return typeof output === 'function' || typeof (output as Partial<Writable> | null)?.write === 'function'
}
