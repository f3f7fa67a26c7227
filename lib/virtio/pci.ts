import type { HostEvent } from '../bus/host-event.js'
import { InterruptOutput } from '../bus/interrupt-line.js'
import { type Register, Registers } from '../bus/registers.js'
import type { PciBar, PciCapability, PciContext, PciDevice, PciIdentity, PciVector } from '../pci/pci-device.js'
import { StateReader } from '../state.js'
import { invalidArgument } from '../validate.js'
import { type Access, addressRegisters, commonRegisters } from './common-registers.js'
import { virtioCapabilities } from './pci-capabilities.js'
import * as R from './pci-registers.js'
import { Transport } from './transport.js'
import type { TransportState } from './transport-state.js'
import type { VirtioDevice } from './virtio-device.js'

export interface VirtioPciState extends TransportState {
  isr: number
  configVector: number
  /** Of each queue. */
  vectors: number[]
}

const MAX_UINT16 = 0xffff
const ALL_INTERRUPTS = R.QUEUE_INTERRUPT | R.CONFIG_INTERRUPT
const ADDRESSES = {
  descriptors: ['queue_desc', R.QUEUE_DESC],
  driver: ['queue_driver', R.QUEUE_DRIVER],
  device: ['queue_device', R.QUEUE_DEVICE],
} as const

/**
 * A virtio device as a function of PCI (virtio 1.2, 4.1), for drivers of virtio 1.0 and later. Each queue has a doorbell and a
 * vector, and the configuration has one; a driver without MSI-X is interrupted by the line.
 */
export class VirtioPci implements PciDevice {
  readonly device: VirtioDevice
  readonly identity: PciIdentity
  readonly bars: readonly PciBar[]
  readonly pin = true
  readonly vectors: number
  readonly capabilities: readonly PciCapability[]
  readonly #context: PciContext
  readonly #transport: Transport
  readonly #registers: Registers
  readonly #line: InterruptOutput
  readonly #allVectors: readonly PciVector[]
  readonly #queueVectors: number[]
  // Of queues that the host serves: what interrupts, and where it leads.
  readonly #events: (HostEvent | undefined)[] = []
  readonly #connections: ({ close(): void } | undefined)[] = []
  #configVector = R.NO_VECTOR
  #isr = 0

  constructor(device: VirtioDevice, context: PciContext) {
    const queues = device.queueSizes.length
    if (queues > R.MAX_QUEUES) throw invalidArgument('queueSizes', queues, `at most ${R.MAX_QUEUES} queues`)
    this.device = device
    this.#context = context
    this.identity = {
      ...{ vendor: R.VENDOR, device: R.FIRST_DEVICE + device.id, revision: R.REVISION },
      ...{ class: R.CLASSES[device.id] ?? R.OTHER_CLASS, subsystem: R.SUBSYSTEM },
    }
    this.bars = [{ kind: 'memory', length: R.BAR_LENGTH, width: 64, index: R.BAR, device: this }]
    this.vectors = queues + 1
    this.#allVectors = Array.from({ length: this.vectors }, (_, index) => context.vector(index))
    this.capabilities = virtioCapabilities(this)
    this.#queueVectors = Array.from({ length: queues }, () => R.NO_VECTOR)
    this.#line = new InterruptOutput(context.interrupt())
    this.#transport = new Transport(device, context, {
      queueInterrupt: (index) => {
        this.#raise(this.#queueVectors[index] ?? R.NO_VECTOR, R.QUEUE_INTERRUPT)
      },
      configInterrupt: () => {
        this.#raise(this.#configVector, R.CONFIG_INTERRUPT)
      },
      doorbell: (index, ring) => context.doorbell(R.BAR, { offset: R.NOTIFY + index * R.NOTIFY_MULTIPLIER }, ring),
      queueEvent: (index, event) => {
        this.#events[index] = event
        this.#connect(index)
      },
    })
    this.#registers = new Registers(this.#rows())
  }

  /** The BAR's registers. */
  read(offset: number, data: Uint8Array): void {
    if (offset < R.ISR) this.#registers.read(offset, data)
    else if (offset >= R.DEVICE && offset < R.NOTIFY) this.#transport.readConfig(offset - R.DEVICE, data)
    else data.fill(0)
    // Reading it takes the interrupt back.
    if (offset !== R.ISR) return
    data[0] = this.#isr
    this.#setIsr(0)
  }

  write(offset: number, data: Uint8Array): void | Promise<void> {
    if (offset < R.ISR) return this.#registers.write(offset, data)
    if (offset >= R.NOTIFY) this.#transport.notify(Math.floor((offset - R.NOTIFY) / R.NOTIFY_MULTIPLIER))
    else if (offset >= R.DEVICE) return this.#transport.writeConfig(offset - R.DEVICE, data)
  }

  reset(): void | Promise<void> {
    this.#configVector = R.NO_VECTOR
    this.#queueVectors.fill(R.NO_VECTOR)
    for (const index of this.#events.keys()) this.#connect(index)
    this.#setIsr(0)
    return this.#transport.reset()
  }

  pause(): Promise<void> {
    return this.#transport.pause()
  }

  resume(): void {
    this.#transport.resume()
  }

  letGo(): Promise<void> {
    return this.#transport.letGo()
  }

  takeBack(): Promise<void> {
    return this.#transport.takeBack()
  }

  close(): Promise<void> {
    return this.#transport.close()
  }

  save(): VirtioPciState {
    const state = { isr: this.#isr, configVector: this.#configVector, vectors: [...this.#queueVectors] }
    return { ...this.#transport.save(), ...state }
  }

  restore(state: VirtioPciState): void {
    const reader = new StateReader(this.#context.name, state)
    const isr = reader.bits('isr', ALL_INTERRUPTS)
    const configVector = reader.integer('configVector', MAX_UINT16)
    const vectors = reader.integers('vectors', this.#queueVectors.length, MAX_UINT16, true)
    const goOn = this.#transport.read(state)
    this.#configVector = this.#vector(configVector)
    for (const [index, vector] of vectors.entries()) this.#queueVectors[index] = this.#vector(vector)
    this.#isr = isr
    this.#line.drive(isr !== 0)
    goOn()
  }

  #raise(vector: number, why: number): void {
    if (this.#context.messages) this.#allVectors[vector]?.trigger()
    else this.#setIsr(this.#isr | why)
  }

  #connect(index: number): void {
    this.#connections[index]?.close()
    const event = this.#events[index]
    this.#connections[index] = event && this.#allVectors[this.#queueVectors[index] ?? R.NO_VECTOR]?.connect(event)
  }

  #setIsr(isr: number): void {
    this.#isr = isr
    this.#line.set(isr !== 0)
  }

  /** One that there is; a driver that wants another one reads that it has none. */
  #vector(value: number): number {
    return value < this.vectors ? value : R.NO_VECTOR
  }

  #rows(): Register[] {
    const transport = this.#transport
    const common = commonRegisters(transport, () => this.reset())
    const row = (name: string, offset: number, width: 1 | 2 | 4, access: Access): Register => ({
      ...{ name, offset, width },
      ...access,
    })
    return [
      row('device_feature_select', R.DEVICE_FEATURE_SELECT, 4, common.deviceSelect),
      row('device_feature', R.DEVICE_FEATURE, 4, common.deviceFeatures),
      row('driver_feature_select', R.DRIVER_FEATURE_SELECT, 4, common.driverSelect),
      row('driver_feature', R.DRIVER_FEATURE, 4, common.driverFeatures),
      row('config_msix_vector', R.CONFIG_MSIX_VECTOR, 2, {
        read: () => this.#configVector,
        write: (value) => (this.#configVector = this.#vector(value)),
      }),
      row('num_queues', R.NUM_QUEUES, 2, { read: () => transport.queueCount }),
      row('device_status', R.DEVICE_STATUS, 1, common.status),
      row('config_generation', R.CONFIG_GENERATION, 1, { read: () => transport.generation & 0xff }),
      row('queue_select', R.QUEUE_SELECT, 2, common.queueSelect),
      row('queue_size', R.QUEUE_SIZE, 2, common.queueSize),
      row('queue_msix_vector', R.QUEUE_MSIX_VECTOR, 2, {
        read: () => this.#queueVectors[transport.queueSelect] ?? R.NO_VECTOR,
        write: (value) => {
          const { queueSelect } = transport
          if (queueSelect >= this.#queueVectors.length) return
          this.#queueVectors[queueSelect] = this.#vector(value)
          this.#connect(queueSelect)
        },
      }),
      row('queue_enable', R.QUEUE_ENABLE, 2, {
        read: common.queueReady.read,
        // By this register a driver cannot take a queue back.
        write: (value) => (value === 1 ? transport.setReady(true) : undefined),
      }),
      row('queue_notify_off', R.QUEUE_NOTIFY_OFF, 2, {
        read: () => (transport.queue === undefined ? 0 : transport.queueSelect),
      }),
      row('queue_reset', R.QUEUE_RESET, 2, common.queueReset),
      ...addressRegisters(transport, ADDRESSES, ['_low', '_high']).map(([name, offset, access]) =>
        row(name, offset, 4, access),
      ),
    ]
  }
}
