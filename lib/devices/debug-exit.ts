import type { Device } from '../bus/device.js'
import { checkOptions, invalidArgument } from '../validate.js'
import { littleEndian } from './byte-access.js'

export interface DebugExitOptions {
  /** The guest ends its run. `status` is odd, so that 0 can only mean that the machine was switched off. */
  exit: (status: number, value: number) => void
}

/**
 * The exit port of test guests, as QEMU's `isa-debug-exit`: port 0xf4 (or any), 4 ports long. Writing v ends the run with
 * the status (v << 1) | 1, of which an exit status keeps 8 bits. It has no state.
 */
export class DebugExit implements Device {
  readonly #exit: DebugExitOptions['exit']

  constructor(options: DebugExitOptions) {
    checkOptions('options', options, ['exit'])
    if (typeof options.exit !== 'function') throw invalidArgument('exit', options.exit, 'a function')
    this.#exit = options.exit
  }

  read(_offset: number, data: Uint8Array): void {
    data.fill(0)
  }

  write(offset: number, data: Uint8Array): void {
    // A write that begins in the middle is none to the register.
    if (offset !== 0) return
    const value = littleEndian(data)
    this.#exit(((value << 1) | 1) & 0xff, value)
  }
}
