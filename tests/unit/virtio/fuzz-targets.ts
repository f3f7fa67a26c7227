// Virtio devices on both transports, as the fuzzer drives them: registers at offsets, and queues in memory.
import type { DmaMemory } from '../../../lib/index.js'
import * as M from '../../../lib/virtio/mmio-registers.js'
import * as P from '../../../lib/virtio/pci-registers.js'
import { VirtioPci } from '../../../lib/virtio/pci.js'
import type { VirtioDevice } from '../../../lib/virtio/virtio-device.js'
import { accesses, byPorts, pciBus } from '../pci/pci.js'
import { MmioDriver, SplitQueue } from './mmio-driver.js'

/** How much of the registers is driven, and of the memory. */
export const REGISTERS = 0x4000
export const QUEUE_SIZE = 8

export interface Target {
  readonly memory: DmaMemory
  /** An access anywhere in the registers. A promise may be waited for, or not. */
  read(offset: number, data: Uint8Array): unknown
  write(offset: number, data: Uint8Array): unknown
  /** An access to what lies around them: PCI's configuration space. */
  configure(offset: number, value: number): void
  notify(index: number): void
  pause(): Promise<void>
  resume(): void
  save(): object
  restore(state: object): void
  /** As a good driver would, whatever was before. Returns the queues. */
  start(): Promise<SplitQueue[]>
  readonly status: number
}

export function mmioTarget(device: VirtioDevice): Target {
  const driver = new MmioDriver(device, { queueSize: QUEUE_SIZE })
  const { mmio, memory } = driver
  return {
    memory,
    read: (offset, data) => {
      mmio.read(offset, data)
    },
    write: (offset, data) => mmio.write(offset, data),
    configure: () => undefined,
    notify: (index) => {
      driver.kick(index)
    },
    pause: () => mmio.pause(),
    resume: () => {
      mmio.resume()
    },
    save: () => mmio.save(),
    restore: (state) => {
      mmio.restore(state as ReturnType<typeof mmio.save>)
    },
    start: async () => (await driver.start()).queues,
    get status() {
      return driver.read(M.STATUS)
    },
  }
}

const COMMAND = 4
const BAR0 = 0x10
const PLACE = 0xe100_0000
const DECODE_AND_MASTER = 7

export function pciTarget(device: VirtioDevice): Target {
  const bus = pciBus()
  const made: VirtioPci[] = []
  const added = bus.add((context) => {
    const virtio = new VirtioPci(device, context)
    made.push(virtio)
    return virtio
  })
  const [virtio] = made
  if (virtio === undefined) throw new Error('the function is made at once')
  const config = byPorts(bus, 1)
  const reach = () => {
    config.write(COMMAND, 0, 2)
    config.write(BAR0, PLACE)
    config.write(BAR0 + 4, 0)
    config.write(COMMAND, DECODE_AND_MASTER, 2)
  }
  reach()
  const start = () => added.bars.find(({ index }) => index === P.BAR)?.start ?? PLACE
  const common = accesses({
    read: (at, data) => bus.mmio.read(PLACE + P.COMMON + at, data),
    write: (at, data) => bus.mmio.write(PLACE + P.COMMON + at, data),
  })
  return {
    memory: bus.memory,
    read: (offset, data) => bus.mmio.read(start() + offset, data),
    write: (offset, data) => bus.mmio.write(start() + offset, data),
    configure: (offset, value) => {
      config.write(offset & 0xfc, value)
    },
    notify: (index) => {
      void bus.mmio.write(start() + P.NOTIFY + P.NOTIFY_MULTIPLIER * index, Uint8Array.of(index, 0))
    },
    pause: async () => {
      await virtio.pause()
    },
    resume: () => {
      virtio.resume()
    },
    save: () => virtio.save(),
    restore: (state) => {
      virtio.restore(state as ReturnType<typeof virtio.save>)
    },
    async start() {
      reach()
      await bus.mmio.write(PLACE + P.DEVICE_STATUS, Uint8Array.of(0))
      for (const status of [1, 3]) common.write(P.DEVICE_STATUS, status, 1)
      common.write(P.DRIVER_FEATURE_SELECT, 0)
      common.write(P.DRIVER_FEATURE, 0)
      common.write(P.DRIVER_FEATURE_SELECT, 1)
      common.write(P.DRIVER_FEATURE, 1)
      common.write(P.DEVICE_STATUS, 11, 1)
      const queues = device.queueSizes.map((_, index) => {
        const queue = new SplitQueue(bus.memory, index, QUEUE_SIZE, 0x1000)
        bus.memory.fill(queue.descriptors, 0x1000, 0)
        common.write(P.QUEUE_SELECT, index, 2)
        common.write(P.QUEUE_SIZE, QUEUE_SIZE, 2)
        common.write(P.QUEUE_DESC, queue.descriptors)
        common.write(P.QUEUE_DESC + 4, 0)
        common.write(P.QUEUE_DRIVER, queue.available)
        common.write(P.QUEUE_DRIVER + 4, 0)
        common.write(P.QUEUE_DEVICE, queue.used)
        common.write(P.QUEUE_DEVICE + 4, 0)
        common.write(P.QUEUE_ENABLE, 1, 2)
        return queue
      })
      common.write(P.DEVICE_STATUS, 15, 1)
      return queues
    },
    get status() {
      return common.read(P.DEVICE_STATUS, 1)
    },
  }
}
