import type { HostEvent } from '../bus/host-event.js'
import { KvmError } from '../errors.js'
import type { Irqfd } from '../kvm/irqfd.js'
import type { Vm } from '../kvm/vm.js'
import type { Message, MessageRoutes } from '../pci/messages.js'

/** Where the processors' local APICs take messages (Intel SDM vol. 3A, 11.11.1), in MiB. */
const APICS = 0xfee
const MIB = 2 ** 20

/** The messages of one function of PCI: each vector that its guest uses is a GSI with an eventfd, which KVM takes to the local APICs. */
export class VmMessages implements MessageRoutes {
  readonly #vm: Vm
  readonly #vectors = new Map<number, Irqfd>()

  constructor(vm: Vm) {
    this.#vm = vm
  }

  route(changes: readonly (readonly [vector: number, message: Message])[]): void {
    if (this.#vm.closed) return
    this.#vm.gsiRoutes.change(
      changes.map(([vector, message]) => [
        this.#gsi(vector),
        isInterrupt(message) ? [{ type: 'msi', ...message }] : [],
      ]),
    )
  }

  trigger(vector: number): void {
    if (!this.#vm.closed) this.#vectors.get(vector)?.trigger()
  }

  connect(vector: number, event: HostEvent): { close(): void } | undefined {
    if (this.#vm.closed) return undefined
    try {
      return this.#vm.irqfd(this.#gsi(vector), { event })
    } catch (error) {
      // The guest makes it try; the interrupt takes the longer way then.
      if (error instanceof KvmError && error.code === 'ERR_KVM_IOCTL') return undefined
      throw error
    }
  }

  #gsi(vector: number): number {
    const { gsi } = this.#vectors.get(vector) ?? this.#open(vector)
    return gsi
  }

  #open(vector: number): Irqfd {
    const { gsiRoutes } = this.#vm
    const gsi = gsiRoutes.allocate()
    try {
      const irqfd = this.#vm.irqfd(gsi)
      this.#vectors.set(vector, irqfd)
      return irqfd
    } catch (error) {
      // The guest makes it try again and again.
      gsiRoutes.free(gsi)
      throw error
    }
  }
}

/** A message to anywhere else would be a write to memory, which no guest means. It is lost. */
const isInterrupt = ({ address }: Message) => Math.floor(address / MIB) === APICS
