import type { Readable, Writable } from 'node:stream'

import type { DeviceContext } from '../bus/device-context.js'
import { Serial } from '../devices/serial.js'
import { checkInteger, checkOptions, invalidArgument } from '../validate.js'
import { GuestConsole } from './console.js'
import { type ConsoleInput, connectInput } from './console-input.js'
import { ConsoleOutput, type OutputTarget } from './console-output.js'
import type { DeviceHost, MachineDevice } from './host.js'

/** COM1 to COM4. */
const LINES = 4

export interface SerialDeviceOptions {
  /**
   * Where the guest's output goes: a stream, or a function that gets the bytes to keep, and no more while a promise that it
   * returned is pending. What waits is bounded (1 MiB), and so is how long the end of a run waits for it: until nothing has
   * been taken for 5 s. The rest is lost; see {@link SerialDevice.lost}. An output that throws, or fails, ends the run:
   * `ERR_KVM_DEVICE_FAILED`.
   */
  output?: OutputTarget
  /**
   * Where the guest's input comes from. It is read only as fast as the guest takes it. A stream that fails ends the run:
   * `ERR_KVM_DEVICE_FAILED`.
   */
  input?: Readable
  /** A script's end of the line, instead of `input` and beside `output`. */
  console?: GuestConsole
  /** 1 (the default) for COM1 to 4 for COM4. */
  line?: number
}

/** A serial line of a machine. */
export interface SerialDevice extends MachineDevice {
  /** How many bytes of the guest's output have been lost, over all its lives: nobody took them in time, or at all. */
  readonly lost: number
}

/** A serial line, a 16550A. `console=ttyS0` on Linux's command line is COM1. */
export function serial(options: SerialDeviceOptions = {}): SerialDevice {
  checkOptions('options', options, ['output', 'input', 'console', 'line'])
  const { output, console } = options
  if (console !== undefined && !(console instanceof GuestConsole)) {
    throw invalidArgument('console', console, 'a GuestConsole')
  }
  if (console !== undefined && options.input !== undefined) {
    throw invalidArgument('input', options.input, 'absent: the console has the line')
  }
  if (output !== undefined && !isOutput(output)) {
    throw invalidArgument('output', output, 'a writable stream or a function')
  }
  const number = checkInteger('line', options.line ?? 1, 1, LINES)
  const name = `serial line COM${number}`
  const sink = output === undefined ? undefined : new ConsoleOutput(name, output)
  return {
    get lost() {
      return sink?.lost ?? 0
    },
    attach(host: DeviceHost) {
      host.add({
        name: `serial${number - 1}`,
        device: (context) => new SerialLine(context, name, { console, sink, input: options.input }),
        ...host.serialLine(number),
      })
    },
    async ended() {
      console?.end()
      await sink?.settled()
    },
  }
}

/** The two ends of a serial line. */
interface Ends {
  console: GuestConsole | undefined
  sink: ConsoleOutput | undefined
  input: Readable | undefined
}

/** A UART with its plug in. */
class SerialLine extends Serial {
  readonly #unplug: () => void

  constructor(context: DeviceContext, name: string, { console, sink, input }: Ends) {
    let source: ConsoleInput | undefined
    super({
      interrupt: context.interrupt(),
      output: (bytes) => {
        context.effects.console(bytes)
        console?.receive(bytes)
        sink?.write(bytes)
      },
      onDrain: () => source?.resume(),
    })
    const fail = (error: unknown) => {
      context.fail(error)
    }
    // First: it refuses when the line has another machine.
    const from = console?.attach() ?? input
    const undo = [() => console?.detach()]
    this.#unplug = () => {
      for (const each of undo.splice(0)) each()
    }
    try {
      if (sink !== undefined) undo.unshift(sink.open(fail))
      if (from !== undefined) {
        source = connectInput(from, this, name, fail)
        undo.unshift(source.detach)
      }
    } catch (error) {
      this.#unplug()
      throw error
    }
  }

  close(): void {
    this.#unplug()
  }
}

function isOutput(output: unknown): boolean {
  return typeof output === 'function' || typeof (output as Partial<Writable> | null)?.write === 'function'
}
