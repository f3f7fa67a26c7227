import { checkOptions } from '../validate.js'
import { Console } from '../virtio/console/console.js'
import { checkSize, type ConsoleSize, UNKNOWN_SIZE } from '../virtio/console/options.js'
import type { ConsolePort } from '../virtio/console/port.js'
import type { DeviceHost, MachineDevice } from './host.js'
import { type LineEndOptions, LineEnds, type Plug } from './line-ends.js'
import { addVirtio, checkVirtioOptions, type VirtioContext, type VirtioOptions } from './virtio.js'

export interface VirtioConsoleOptions extends LineEndOptions, VirtioOptions {
  /** How large the terminal is. Default: 0 by 0, which says that nobody knows. */
  size?: ConsoleSize
}

/** A virtio console of a machine. */
export interface VirtioConsole extends MachineDevice {
  /** How many bytes of the guest's output have been lost, over all its lives: nobody took them in time, or at all. */
  readonly lost: number
  /** The terminal has this size from now on, and the guest is told. */
  resize(columns: number, rows: number): void
}

/** A terminal without a serial line's hardware. `console=hvc0` on Linux's command line is the first one. */
export function virtioConsole(options: VirtioConsoleOptions = {}): VirtioConsole {
  checkOptions('options', options, ['output', 'input', 'console', 'size', 'name', 'transport', 'place'])
  const place = checkVirtioOptions(options)
  const ends = new LineEnds('the virtio console', options)
  let size = checkSize(options.size ?? UNKNOWN_SIZE)
  let present: PluggedConsole | undefined
  return {
    get lost() {
      return ends.lost
    },
    resize(columns, rows) {
      size = checkSize({ columns, rows })
      present?.terminal.resize(columns, rows)
    },
    attach(host: DeviceHost) {
      addVirtio(host, place, (context) => (present = new PluggedConsole(context, ends, size)))
    },
    ended: () => ends.ended(),
  }
}

/** A console with its plug in. What the guest writes is taken at once, or lost: a driver waits for a console without sleeping. */
class PluggedConsole extends Console {
  readonly terminal: ConsolePort
  readonly #plug: Plug

  constructor({ effects, fail }: VirtioContext, ends: LineEnds, size: ConsoleSize) {
    let plug: Plug | undefined
    const output = (bytes: Uint8Array) => {
      effects.console(bytes)
      ends.write(bytes)
    }
    super([{ size, output, onDrain: () => plug?.resume() }])
    this.terminal = this.ports[0]
    this.#plug = plug = ends.plugIn(this.terminal, fail)
  }

  close(): void {
    this.#plug.unplug()
  }
}
