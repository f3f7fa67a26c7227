import type { DeviceContext } from '../bus/device-context.js'
import { Serial } from '../devices/serial.js'
import { checkInteger, checkOptions } from '../validate.js'
import type { InputLine } from './console-input.js'
import type { DeviceHost, MachineDevice } from './host.js'
import { type LineEndOptions, LineEnds, type Plug } from './line-ends.js'

/** COM1 to COM4. */
const LINES = 4

export interface SerialDeviceOptions extends LineEndOptions {
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
  const number = checkInteger('line', options.line ?? 1, 1, LINES)
  const ends = new LineEnds(`serial line COM${number}`, options)
  return {
    get lost() {
      return ends.lost
    },
    attach(host: DeviceHost) {
      host.add({
        name: `serial${number - 1}`,
        device: (context) => new SerialLine(context, ends),
        ...host.serialLine(number),
      })
    },
    ended: () => ends.ended(),
  }
}

/** A UART with its plug in. */
class SerialLine extends Serial implements InputLine {
  readonly #plug: Plug

  constructor(context: DeviceContext, ends: LineEnds) {
    let plug: Plug | undefined
    super({
      interrupt: context.interrupt(),
      output: (bytes) => {
        context.effects.console(bytes)
        ends.write(bytes)
      },
      onDrain: () => plug?.resume(),
    })
    this.#plug = plug = ends.plugIn(this, (error) => {
      context.fail(error)
    })
  }

  unread(): Uint8Array {
    return Uint8Array.from(this.save().backlog)
  }

  close(): void {
    this.#plug.unplug()
  }
}
