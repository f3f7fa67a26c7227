import type { Readable, Writable } from 'node:stream'

import { Serial } from '../devices/serial.js'
import { checkInteger, checkOptions, invalidArgument } from '../validate.js'
import { GuestConsole } from './console.js'
import { type ConsoleInput, connectInput } from './console-input.js'
import { ConsoleOutput, type OutputTarget } from './console-output.js'
import type { DeviceHost, MachineDevice } from './host.js'
import { SERIAL_LENGTH, SERIAL_LINES } from './x86/platform.js'

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
  const number = checkInteger('line', options.line ?? 1, 1, SERIAL_LINES.length)
  const name = `serial line COM${number}`
  const sink = output === undefined ? undefined : new ConsoleOutput(name, output)
  return {
    get lost() {
      return sink?.lost ?? 0
    },
    attach(host: DeviceHost) {
      // First: it refuses when the line has another machine.
      const input = console?.attach() ?? options.input
      const { port, gsi } = SERIAL_LINES[(number - 1) as 0 | 1 | 2 | 3]
      const undo = [() => console?.detach()]
      host.onEnd(() => {
        for (const each of undo) each()
      })
      const fail = (error: unknown) => {
        host.fail(error)
      }
      if (sink !== undefined) undo.unshift(sink.open(fail))
      let source: ConsoleInput | undefined
      const device = new Serial({
        interrupt: host.interrupt(gsi),
        output: (bytes) => {
          host.consoleOutput(bytes)
          console?.receive(bytes)
          sink?.write(bytes)
        },
        onDrain: () => source?.resume(),
      })
      if (input !== undefined) {
        source = connectInput(input, device, name, fail)
        undo.unshift(source.detach)
      }
      host.mapPorts(port, SERIAL_LENGTH, device, { name })
    },
    async ended() {
      console?.end()
      await sink?.settled()
    },
  }
}

function isOutput(output: unknown): boolean {
  return typeof output === 'function' || typeof (output as Partial<Writable> | null)?.write === 'function'
}
