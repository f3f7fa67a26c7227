// A device that reads and writes memory by itself, and interrupts its guest when it is done.
import { type Device, type DeviceMemory, type InterruptLine, Registers } from 'node-kvm'

const DONE = 1 << 0
const FAILED = 1 << 1
/** A guest's number decides no allocation without a bound. */
const LARGEST_COPY = 1024 * 1024

/**
 * Copies memory for its guest, which writes two addresses and then the length. Then the status has a bit, and the interrupt is
 * high, until the guest writes that bit.
 */
export class CopyEngine implements Device {
  readonly #memory: DeviceMemory
  readonly #interrupt: InterruptLine
  #source = 0n
  #destination = 0n
  #status = 0
  // Whatever the width of a guest's access is, these are called with whole values.
  readonly #registers = new Registers([
    { name: 'source', offset: 0x00, width: 8, read: () => this.#source, write: (value) => (this.#source = value) },
    {
      name: 'destination',
      offset: 0x08,
      width: 8,
      read: () => this.#destination,
      write: (value) => (this.#destination = value),
    },
    { name: 'length', offset: 0x10, width: 4, rest: 'zeros', write: (length) => this.#copy(length) },
    // Write one to clear: what the guest does not write is zero.
    {
      name: 'status',
      offset: 0x14,
      width: 4,
      rest: 'zeros',
      read: () => this.#status,
      write: (ones) => this.#show(this.#status & ~ones),
    },
  ])

  constructor(memory: DeviceMemory, interrupt: InterruptLine) {
    this.#memory = memory
    this.#interrupt = interrupt
  }

  read(offset: number, data: Uint8Array) {
    this.#registers.read(offset, data)
  }

  write(offset: number, data: Uint8Array) {
    return this.#registers.write(offset, data)
  }

  reset() {
    this.#source = this.#destination = 0n
    this.#show(0)
  }

  #copy(length: number) {
    // The addresses are the guest's: where there is no memory, there is nothing to read, and write() returns false.
    const bytes = length > LARGEST_COPY ? undefined : this.#memory.read(Number(this.#source), length)
    const copied = bytes !== undefined && this.#memory.write(Number(this.#destination), bytes)
    this.#show(this.#status | (copied ? DONE : FAILED))
  }

  #show(status: number) {
    this.#status = status
    this.#interrupt.set(status !== 0)
  }
}
