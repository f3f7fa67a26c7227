// A driver for virtio devices as 64-bit code without a loop or a branch: accesses to registers and memory, one after the other.
import * as M from '../../lib/virtio/mmio-registers.js'
import * as P from '../../lib/virtio/pci-registers.js'
import type { VirtioDevice } from '../../lib/virtio/virtio-device.js'
import { type Access, imm32 } from './accesses.js'

export const QUEUE_SIZE = 8
/** Where devices on the first transport are; each has a page. */
export const MMIO_PLACE = 0xd000_0000
/** Where the driver puts the BARs of functions. */
export const BAR_PLACE = 0xe800_0000
const BAR_SPACE = 0x10_0000
const MSIX = 0x8_0000
const ECAM = 0xe000_0000
const SLOT_SPACE = 0x8000
/** Where rings are: each device has 64 KiB, and each of its queues a page of that. */
export const RINGS = 0x10_0000
const DEVICE_SPACE = 0x1_0000
const QUEUE_SPACE = 0x1000
const AVAILABLE = 0x400
const USED = 0x800

const COMMAND = 0x04
const BAR0 = 0x10
const BAR2 = 0x18
const DECODE_AND_MASTER = 7

export const store = (address: number, value: bigint | number, width: 1 | 2 | 4 | 8 = 4): Access => ({
  ...{ kind: 'memory', write: true },
  ...{ address, width, value: BigInt.asUintN(64, BigInt(value)) },
})

/** The registers of a queue and of the status, by transport: offset and width. */
const REGISTERS = {
  mmio: {
    status: [M.STATUS, 4],
    featuresSelect: [M.DRIVER_FEATURES_SEL, 4],
    features: [M.DRIVER_FEATURES, 4],
    select: [M.QUEUE_SEL, 4],
    size: [M.QUEUE_NUM, 4],
    addresses: [M.QUEUE_DESC_LOW, M.QUEUE_DRIVER_LOW, M.QUEUE_DEVICE_LOW],
    ready: [M.QUEUE_READY, 4],
    reset: [M.QUEUE_RESET, 4],
  },
  pci: {
    status: [P.DEVICE_STATUS, 1],
    featuresSelect: [P.DRIVER_FEATURE_SELECT, 4],
    features: [P.DRIVER_FEATURE, 4],
    select: [P.QUEUE_SELECT, 2],
    size: [P.QUEUE_SIZE, 2],
    addresses: [P.QUEUE_DESC, P.QUEUE_DRIVER, P.QUEUE_DEVICE],
    ready: [P.QUEUE_ENABLE, 2],
    reset: [P.QUEUE_RESET, 2],
  },
} as const
type Named = Exclude<keyof (typeof REGISTERS)['mmio'], 'addresses'>

/** The driver of the device with that number among those of its transport, and in all. */
export class VirtioGuest {
  readonly queues: number
  readonly #transport: 'mmio' | 'pci'
  readonly #base: number
  readonly #slot: number
  readonly #rings: number
  /** Of each queue, how many chains have been made available. */
  readonly #available: number[] = []

  constructor(device: VirtioDevice, transport: 'mmio' | 'pci', number: number, inAll: number) {
    this.queues = device.queueSizes.length
    this.#transport = transport
    this.#base = transport === 'mmio' ? MMIO_PLACE + 0x1000 * number : BAR_PLACE + BAR_SPACE * number
    this.#slot = number + 1
    this.#rings = RINGS + DEVICE_SPACE * inAll
  }

  /** Any register, at the place where the driver has put it; but where its queues are it says with addresses only. */
  register(offset: number, width: 1 | 2 | 4 | 8, write: boolean, value: number, address: number): Access {
    const { addresses } = REGISTERS[this.#transport]
    const [from, to] = [addresses[0], addresses[2] + 8]
    if (offset + width <= from || offset >= to) {
      return { kind: 'memory', address: this.#base + offset, width, write, value: BigInt(value) }
    }
    return store(this.#base + Math.max(from, offset - (offset % 4)), address)
  }

  /** PCI's configuration space. */
  configure(offset: number, value: number, width: 1 | 2 | 4 = 4): Access[] {
    if (this.#transport === 'mmio') return []
    return [store(ECAM + SLOT_SPACE * this.#slot + offset - (offset % width), value, width)]
  }

  move(place: number, command: number): Access[] {
    return [...this.configure(BAR0, place), ...this.configure(COMMAND, command, 2)]
  }

  /** No function is where others, too, want to be. */
  hide(): Access[] {
    return this.configure(COMMAND, 0, 2)
  }

  /** Its registers are where this driver has them, whatever was before; after {@link hide} of all. */
  reach(): Access[] {
    if (this.#transport === 'mmio') return []
    const bar = (offset: number, place: number) => [...this.configure(offset, place), ...this.configure(offset + 4, 0)]
    return [...bar(BAR0, this.#base), ...bar(BAR2, this.#base + MSIX), ...this.configure(COMMAND, DECODE_AND_MASTER, 2)]
  }

  reset(): Access[] {
    return [this.#set('status', 0)]
  }

  /** As virtio 1.2, 3.1.1 says. */
  start(features: bigint): Access[] {
    const queues = Array.from({ length: this.queues }, (_, index) => this.#setUpQueue(index)).flat()
    const accept = [0, 1].flatMap((half) => [
      this.#set('featuresSelect', half),
      this.#set('features', (features >> BigInt(32 * half)) & 0xffff_ffffn),
    ])
    const status = (...values: number[]) => values.map((value) => this.#set('status', value))
    return [...status(0, 1, 3), ...accept, ...status(11), ...queues, ...status(15)]
  }

  descriptor(queue: number, slot: number, address: number, length: number, flags: number, next = 0): Access[] {
    const at = this.#queue(queue) + 16 * slot
    return [store(at, address, 8), store(at + 8, length), store(at + 12, flags + 0x1_0000 * next)]
  }

  makeAvailable(queue: number, head: number): Access[] {
    const at = this.#queue(queue) + AVAILABLE
    const count = this.#available[queue] ?? 0
    this.#available[queue] = count + 1
    return [store(at + 4 + 2 * (count % QUEUE_SIZE), head, 2), store(at + 2, (count + 1) & 0xffff, 2)]
  }

  notify(queue: number): Access {
    if (this.#transport === 'mmio') return store(this.#base + M.QUEUE_NOTIFY, queue)
    return store(this.#base + P.NOTIFY + P.NOTIFY_MULTIPLIER * queue, queue, 2)
  }

  resetQueue(queue: number): Access[] {
    return [this.#set('select', queue), this.#set('reset', 1)]
  }

  /** Somewhere in its rings. */
  memory(offset: number, value: bigint, width: 1 | 2 | 4 | 8): Access {
    return store(this.#rings + (offset % DEVICE_SPACE), value, width)
  }

  /** A request, which the device answers, if with an error; and code that waits until it has. */
  request(queue: number, buffer: number): { ask: Access[]; wait: number[] } {
    const ask = [
      ...this.descriptor(queue, 0, buffer, 16, 1, 1),
      ...this.descriptor(queue, 1, buffer + 0x100, 513, 2),
      ...[0, 4, 8, 12].map((offset) => store(buffer + offset, 0)),
      ...this.makeAvailable(queue, 0),
      this.notify(queue),
    ]
    // mov ebx, the used index; pause; cmp word [rbx], 1; jne to the pause
    const wait = [0xbb, ...imm32(this.#queue(queue) + USED + 2), 0xf3, 0x90, 0x66, 0x83, 0x3b, 0x01, 0x75, 0xf8]
    return { ask, wait }
  }

  #queue(index: number): number {
    return this.#rings + QUEUE_SPACE * index
  }

  #set(name: Named, value: bigint | number): Access {
    const [offset, width] = REGISTERS[this.#transport][name]
    return store(this.#base + offset, value, width)
  }

  #setUpQueue(index: number): Access[] {
    const at = this.#queue(index)
    this.#available[index] = 0
    const addresses = REGISTERS[this.#transport].addresses.flatMap((offset, part) => [
      store(this.#base + offset, at + [0, AVAILABLE, USED][part]!),
      store(this.#base + offset + 4, 0),
    ])
    return [
      ...[store(at + AVAILABLE, 0), store(at + USED, 0)],
      ...[this.#set('select', index), this.#set('size', QUEUE_SIZE)],
      ...addresses,
      this.#set('ready', 1),
    ]
  }
}
