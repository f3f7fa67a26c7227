// Lesson 19, pci-device: a PCI device of one's own: its guest finds it, maps it, and gets its interrupt as a message
import { crc32 } from 'node:zlib'
import { Registers } from 'node-kvm'
import { pci } from 'node-kvm/machine'
import type { PciBar, PciContext, PciDevice } from 'node-kvm/pci'
import { guestMachine, howItEnded } from './shared/guest-machine.js'

const [DONE, FAILED] = [1, 2]
const LONGEST = 1024 * 1024 // a guest's number decides no allocation without a bound

/** Computes the checksum of memory: its guest writes an address, and then how many bytes. */
class ChecksumEngine implements PciDevice {
  // By this a driver knows it. The class says that it is of no class.
  readonly identity = { vendor: 0x1234, device: 0xc3c3, class: 0xff_00_00 }
  readonly vectors = 1 // interrupts: messages, each of which goes where the guest says
  readonly #context: PciContext
  #address = 0n
  #status = 0
  #checksum = 0
  readonly #registers = new Registers([
    { name: 'address', offset: 0x0, width: 8, read: () => this.#address, write: (value) => (this.#address = value) },
    { name: 'length', offset: 0x8, width: 4, rest: 'zeros', write: (length) => this.#compute(length) },
    { name: 'status', offset: 0xc, width: 4, read: () => this.#status },
    { name: 'checksum', offset: 0x10, width: 4, read: () => this.#checksum },
  ])
  /** Where its registers are is the guest's to say. */
  readonly bars: PciBar[] = [{ kind: 'memory', length: 0x20, device: this.#registers }]

  constructor(context: PciContext) {
    this.#context = context
  }

  reset() {
    this.#address = 0n
    this.#status = this.#checksum = 0
  }

  #compute(length: number) {
    const { memory, vector } = this.#context
    // The guest's memory: there is none until the guest has made the device a bus master.
    const bytes = length > LONGEST ? undefined : memory.read(Number(this.#address), length)
    this.#status = bytes === undefined ? FAILED : DONE
    this.#checksum = bytes === undefined ? 0 : crc32(bytes)
    vector(0).trigger()
  }
}

using machine = await guestMachine('pci-device', [
  pci({ name: 'checksums', slot: 3, device: (context) => new ChecksumEngine(context) }),
])
console.log(`host:  ${howItEnded(await machine.run({ timeout: 60_000 }))}`)
