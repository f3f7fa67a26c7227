// Virtio devices on both transports, as the fuzzer drives them: registers at addresses, and queues in memory.
import type { DmaMemory } from '../../../lib/index.js'
import { QUEUE_FEATURES } from '../../../lib/virtio/features.js'
import * as M from '../../../lib/virtio/mmio-registers.js'
import * as P from '../../../lib/virtio/pci-registers.js'
import { VirtioPci } from '../../../lib/virtio/pci.js'
import type { VirtioDevice } from '../../../lib/virtio/virtio-device.js'
import { accesses, byPorts, pciBus } from '../pci/pci.js'
import { MmioDriver, SplitQueue, VERSION_1 } from './mmio-driver.js'

/** How much of the registers is driven. */
export const REGISTERS = 0x4000
export const QUEUE_SIZE = 8
/** Of each queue, from 0x1000 on. */
const QUEUE_SPACE = 0x1000

export interface Target {
  readonly memory: DmaMemory
  /** What of its kind the device offers. */
  readonly features: bigint
  /** An access anywhere in the registers. A promise may be waited for, or not. */
  read(offset: number, data: Uint8Array): unknown
  write(offset: number, data: Uint8Array): unknown
  /** An access to what lies around them: PCI's configuration space. */
  configure(offset: number, value: number, width?: number): void
  notify(index: number): void
  /** The driver wants a queue back; whether it has it; and gives it to the device anew. */
  resetQueue(index: number): void
  queueState(index: number): { ready: number; resetting: number }
  setUpQueue(index: number): SplitQueue
  pause(): Promise<void>
  resume(): void
  /** The driver resets the device, and the machine does; a promise says when it is over. */
  reset(): unknown
  machineReset(): unknown
  save(): object
  restore(state: object): void
  /** As a good driver would, whatever was before. Returns the queues. */
  start(features?: bigint): Promise<SplitQueue[]>
  readonly status: number
}

export function mmioTarget(device: VirtioDevice, bus = pciBus(), place = 0xd000_0000): Target {
  const options = { queueSize: QUEUE_SIZE, queueSpace: QUEUE_SPACE, memory: bus.memory }
  const driver = new MmioDriver(device, options)
  const { mmio } = driver
  bus.mmio.map(place, M.MMIO_LENGTH, mmio)
  return {
    memory: bus.memory,
    features: device.features | QUEUE_FEATURES,
    read: (offset, data) => bus.mmio.read(place + (offset % M.MMIO_LENGTH), data),
    write: (offset, data) => bus.mmio.write(place + (offset % M.MMIO_LENGTH), data),
    configure: () => undefined,
    notify: (index) => {
      driver.kick(index)
    },
    resetQueue: (index) => {
      driver.set(M.QUEUE_SEL, index)
      driver.set(M.QUEUE_RESET, 1)
    },
    queueState: (index) => {
      driver.set(M.QUEUE_SEL, index)
      return { ready: driver.read(M.QUEUE_READY), resetting: driver.read(M.QUEUE_RESET) }
    },
    setUpQueue: (index) => driver.setUpQueue(index, QUEUE_SIZE),
    pause: () => mmio.pause(),
    resume: () => {
      mmio.resume()
    },
    reset: () => driver.write(M.STATUS, 0),
    machineReset: () => mmio.reset(),
    save: () => mmio.save(),
    restore: (state) => {
      mmio.restore(state as ReturnType<typeof mmio.save>)
    },
    start: async (features = VERSION_1) => (await driver.start(features)).queues,
    get status() {
      return driver.read(M.STATUS)
    },
  }
}

const COMMAND = 4
const BAR0 = 0x10
const DECODE_AND_MASTER = 7

export function pciTarget(device: VirtioDevice, bus = pciBus()): Target {
  const made: VirtioPci[] = []
  const added = bus.add((context) => {
    const virtio = new VirtioPci(device, context)
    made.push(virtio)
    return virtio
  })
  const [virtio] = made
  if (virtio === undefined) throw new Error('the function is made at once')
  const config = byPorts(bus, added.address.slot)
  const start = () => added.bars.find(({ index }) => index === P.BAR)?.start
  const place = start() ?? 0
  const reach = () => {
    config.write(COMMAND, 0, 2)
    config.write(BAR0, place)
    config.write(BAR0 + 4, 0)
    config.write(COMMAND, DECODE_AND_MASTER, 2)
  }
  reach()
  const at = (offset: number) => (start() ?? place) + offset
  const common = accesses({
    read: (offset, data) => bus.mmio.read(at(P.COMMON + offset), data),
    write: (offset, data) => bus.mmio.write(at(P.COMMON + offset), data),
  })
  const setUpQueue = (index: number) => {
    const queue = new SplitQueue(bus.memory, index, QUEUE_SIZE, QUEUE_SPACE)
    bus.memory.fill(queue.descriptors, QUEUE_SPACE, 0)
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
  }
  return {
    memory: bus.memory,
    features: device.features | QUEUE_FEATURES,
    read: (offset, data) => bus.mmio.read(at(offset), data),
    write: (offset, data) => bus.mmio.write(at(offset), data),
    configure: (offset, value, width = 4) => {
      config.write(offset - (offset % width), value, width)
    },
    notify: (index) => {
      void bus.mmio.write(at(P.NOTIFY + P.NOTIFY_MULTIPLIER * index), Uint8Array.of(index, 0))
    },
    resetQueue: (index) => {
      common.write(P.QUEUE_SELECT, index, 2)
      common.write(P.QUEUE_RESET, 1, 2)
    },
    queueState: (index) => {
      common.write(P.QUEUE_SELECT, index, 2)
      return { ready: common.read(P.QUEUE_ENABLE, 2), resetting: common.read(P.QUEUE_RESET, 2) }
    },
    setUpQueue,
    pause: () => virtio.pause(),
    resume: () => {
      virtio.resume()
    },
    reset: () => bus.mmio.write(at(P.DEVICE_STATUS), Uint8Array.of(0)),
    machineReset: () => added.reset(),
    save: () => virtio.save(),
    restore: (state) => {
      virtio.restore(state as ReturnType<typeof virtio.save>)
    },
    async start(features = VERSION_1) {
      reach()
      await bus.mmio.write(at(P.DEVICE_STATUS), Uint8Array.of(0))
      for (const status of [1, 3]) common.write(P.DEVICE_STATUS, status, 1)
      for (const half of [0, 1]) {
        common.write(P.DRIVER_FEATURE_SELECT, half)
        common.write(P.DRIVER_FEATURE, Number((features >> BigInt(32 * half)) & 0xffff_ffffn))
      }
      common.write(P.DEVICE_STATUS, 11, 1)
      const queues = device.queueSizes.map((_, index) => setUpQueue(index))
      common.write(P.DEVICE_STATUS, 15, 1)
      return queues
    },
    get status() {
      return common.read(P.DEVICE_STATUS, 1)
    },
  }
}
