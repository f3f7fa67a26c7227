import type { Readable, Writable } from 'node:stream'

import { OutputBuffer } from '../devices/output-buffer.js'
import { Serial } from '../devices/serial.js'
import { checkInteger, checkOptions, invalidArgument } from '../validate.js'
import { GuestConsole } from './console.js'
import type { DeviceHost, MachineDevice } from './host.js'
import { SERIAL_LENGTH, SERIAL_LINES } from './x86/platform.js'

export interface SerialDeviceOptions {
  /** Where the guest's output goes: a stream, or a function that gets the bytes to keep. */
  output?: Writable | ((bytes: Uint8Array) => void)
  /** Where the guest's input comes from. It is read only as fast as the guest takes it. */
  input?: Readable
  /** A script's end of the line, instead of `input` and beside `output`. */
  console?: GuestConsole
  /** 1 (the default) for COM1 to 4 for COM4. */
  line?: number
}

/** A serial line, a 16550A. `console=ttyS0` on Linux's command line is COM1. */
export function serial(options: SerialDeviceOptions = {}): MachineDevice {
  checkOptions('options', options, ['output', 'input', 'console', 'line'])
  const { output, console } = options
  if (console !== undefined && !(console instanceof GuestConsole)) {
    throw invalidArgument('console', console, 'a GuestConsole')
  }
  if (console !== undefined && options.input !== undefined) {
    throw invalidArgument('input', options.input, 'absent: the console has the line')
  }
  const number = checkInteger('line', options.line ?? 1, 1, SERIAL_LINES.length)
  return {
    attach(host: DeviceHost) {
      // First: it refuses when the line has another machine.
      const input = console?.attach() ?? options.input
      const { port, gsi } = SERIAL_LINES[(number - 1) as 0 | 1 | 2 | 3]
      const sink = outputOf(output)
      let resume: () => void = () => undefined
      const device = new Serial({
        interrupt: host.interrupt(gsi),
        output: (bytes) => {
          host.consoleOutput(bytes)
          console?.receive(bytes)
          sink.output(bytes)
        },
        onDrain: () => {
          resume()
        },
      })
      const source = input === undefined ? undefined : connectInput(input, device)
      resume = source?.resume ?? resume
      host.onEnd(() => {
        sink.flush()
        sink.detach()
        source?.detach()
        console?.detach()
      })
      host.mapPorts(port, SERIAL_LENGTH, device)
    },
    ended() {
      console?.end()
    },
  }
}

function outputOf(target: SerialDeviceOptions['output']) {
  const write = typeof target === 'function' ? (bytes: Uint8Array) => (target(bytes), true) : writer(target)
  const buffer = new OutputBuffer({ write })
  const resume = () => {
    buffer.resume()
  }
  const stream = typeof target === 'function' ? undefined : target
  stream?.on('drain', resume)
  return {
    output: buffer.output,
    flush: () => {
      buffer.flush()
    },
    detach: () => stream?.off('drain', resume),
  }
}

function writer(stream: Writable | undefined): (bytes: Uint8Array) => boolean {
  return stream === undefined ? () => true : (bytes) => stream.write(bytes)
}

/** What was read from a stream, and not by a guest before its life ended: the next one reads it first. */
const unread = new WeakMap<Readable, Uint8Array>()

/** Feeds a stream to the serial line, no faster than the guest reads. */
function connectInput(input: Readable, device: Serial) {
  let rest = unread.get(input) ?? new Uint8Array(0)
  const push = () => {
    rest = rest.subarray(device.receive(rest))
    if (rest.length > 0) input.pause()
    else input.resume()
  }
  const onData = (chunk: Uint8Array | string) => {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    rest = rest.length > 0 ? Buffer.concat([rest, bytes]) : bytes
    push()
  }
  unread.delete(input)
  input.on('data', onData)
  push() // an earlier life of the guest has paused it
  return {
    resume: push,
    detach: () => {
      input.off('data', onData)
      input.pause()
      unread.set(input, Buffer.concat([Uint8Array.from(device.save().backlog), rest]))
    },
  }
}
