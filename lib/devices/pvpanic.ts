import { checkOptions, invalidArgument } from '../validate.js'
import { ByteDevice } from './byte-access.js'

/** What the guest's kernel says: it has panicked; it has, and its crash kernel takes over; it shuts down. */
export type PanicEvent = 'panicked' | 'crash-loaded' | 'shutdown'

export interface PvPanicOptions {
  event: (event: PanicEvent) => void
}

// Events (QEMU's specification of the pvpanic device). The register reads as those that the device knows.
const PANICKED = 1 << 0
const CRASH_LOADED = 1 << 1
const SHUTDOWN = 1 << 2
const EVENTS = PANICKED | CRASH_LOADED | SHUTDOWN

/** The paravirtual panic port, 0x505. The guest finds it by ACPI (QEMU0001). It has no state. */
export class PvPanic extends ByteDevice {
  readonly #event: PvPanicOptions['event']

  constructor(options: PvPanicOptions) {
    super()
    checkOptions('options', options, ['event'])
    if (typeof options.event !== 'function') throw invalidArgument('event', options.event, 'a function')
    this.#event = options.event
  }

  protected override readByte(offset: number): number {
    return offset === 0 ? EVENTS : 0xff
  }

  protected override writeByte(offset: number, value: number): void {
    if (offset !== 0) return
    if ((value & PANICKED) !== 0) this.#event('panicked')
    else if ((value & CRASH_LOADED) !== 0) this.#event('crash-loaded')
    else if ((value & SHUTDOWN) !== 0) this.#event('shutdown')
  }
}
