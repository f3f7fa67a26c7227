import type { Device, Stateful } from '../bus/device.js'
import type { DeviceContext, Doorbell } from '../bus/device-context.js'
import { InterruptOutput } from '../bus/interrupt-line.js'
import { type Register, Registers } from '../bus/registers.js'
import { KvmError } from '../errors.js'
import { StateReader } from '../state.js'
import * as R from './mmio-registers.js'
import type { AddressName } from './queue-registers.js'
import { Transport, type TransportState } from './transport.js'
import type { VirtioDevice } from './virtio-device.js'

/** What of a machine this transport needs. */
export type VirtioMmioContext = Pick<
  DeviceContext,
  'name' | 'memory' | 'interrupt' | 'doorbell' | 'clock' | 'schedule' | 'effects'
>

export interface VirtioMmioState extends TransportState {
  interruptStatus: number
}

/** `NKVM`, little-endian: no register of a driver depends on it. */
const VENDOR = 0x4d56_4b4e
const ALL_INTERRUPTS = R.USED_BUFFER | R.CONFIG_CHANGE
const ADDRESSES: readonly (readonly [AddressName, string, number])[] = [
  ['descriptors', 'QueueDesc', R.QUEUE_DESC_LOW],
  ['driver', 'QueueDriver', R.QUEUE_DRIVER_LOW],
  ['device', 'QueueDevice', R.QUEUE_DEVICE_LOW],
]

/** KVM has no more: the driver's write reaches the register QueueNotify. */
function openDoorbell(open: () => Doorbell): Doorbell | undefined {
  try {
    return open()
  } catch (error) {
    if (error instanceof KvmError && error.code === 'ERR_KVM_IOCTL') return undefined
    throw error
  }
}

/** A virtio device behind registers in memory (virtio 1.2, 4.2). Its interrupt is level-triggered. */
export class VirtioMmio implements Device, Stateful<VirtioMmioState> {
  readonly device: VirtioDevice
  readonly #name: string
  readonly #transport: Transport
  readonly #registers: Registers
  readonly #line: InterruptOutput
  readonly #doorbells: (Doorbell | undefined)[] = []
  #interruptStatus = 0

  constructor(device: VirtioDevice, context: VirtioMmioContext) {
    const { name, memory, clock, schedule, effects } = context
    this.device = device
    this.#name = name
    this.#line = new InterruptOutput(context.interrupt())
    this.#transport = new Transport(device, {
      ...{ name, memory, clock, schedule },
      queueInterrupt: () => {
        this.#raise(R.USED_BUFFER)
      },
      configInterrupt: () => {
        this.#raise(R.CONFIG_CHANGE)
      },
      queueStarted: (index) => {
        const at = { offset: R.QUEUE_NOTIFY, length: 4, value: BigInt(index) } as const
        this.#doorbells[index] = openDoorbell(() =>
          context.doorbell(at, () => {
            this.#transport.notify(index)
          }),
        )
      },
      queueStopped: (index) => {
        this.#doorbells[index]?.close()
        this.#doorbells[index] = undefined
      },
      needsReset: (error) => {
        effects.needsReset(name, error)
      },
    })
    this.#registers = new Registers(this.#rows())
  }

  read(offset: number, data: Uint8Array): void {
    if (offset >= R.CONFIG) this.#transport.readConfig(offset - R.CONFIG, data)
    else this.#registers.read(offset, data)
  }

  write(offset: number, data: Uint8Array): void | Promise<void> {
    if (offset >= R.CONFIG) return this.#transport.writeConfig(offset - R.CONFIG, data)
    return this.#registers.write(offset, data)
  }

  reset(): void | Promise<void> {
    this.#acknowledge(ALL_INTERRUPTS)
    return this.#transport.reset()
  }

  pause(): Promise<void> {
    return this.#transport.pause()
  }

  resume(): void {
    this.#transport.resume()
  }

  close(): Promise<void> {
    return this.#transport.close()
  }

  save(): VirtioMmioState {
    return { ...this.#transport.save(), interruptStatus: this.#interruptStatus }
  }

  restore(state: VirtioMmioState): void {
    const interruptStatus = new StateReader(this.#name, state).bits('interruptStatus', ALL_INTERRUPTS)
    const goOn = this.#transport.read(state)
    this.#interruptStatus = interruptStatus
    this.#line.drive(interruptStatus !== 0)
    goOn()
  }

  #raise(why: number): void {
    this.#interruptStatus |= why
    this.#line.set(true)
  }

  #acknowledge(what: number): void {
    this.#interruptStatus &= ~what
    this.#line.set(this.#interruptStatus !== 0)
  }

  #rows(): Register[] {
    const transport = this.#transport
    const row = (name: string, offset: number, access: Pick<Register & { width: 4 }, 'read' | 'write'>): Register => ({
      ...{ name, offset, width: 4, rest: 'zeros' },
      ...access,
    })
    return [
      row('MagicValue', R.MAGIC_VALUE, { read: () => R.MAGIC }),
      row('Version', R.VERSION, { read: () => R.CURRENT_VERSION }),
      row('DeviceID', R.DEVICE_ID, { read: () => this.device.id }),
      row('VendorID', R.VENDOR_ID, { read: () => VENDOR }),
      row('DeviceFeatures', R.DEVICE_FEATURES, { read: () => transport.deviceFeatures }),
      row('DeviceFeaturesSel', R.DEVICE_FEATURES_SEL, { write: (value) => (transport.featureSelect = value) }),
      row('DriverFeatures', R.DRIVER_FEATURES, { write: (value) => (transport.driverFeatures = value) }),
      row('DriverFeaturesSel', R.DRIVER_FEATURES_SEL, { write: (value) => (transport.driverFeatureSelect = value) }),
      row('QueueSel', R.QUEUE_SEL, { write: (value) => (transport.queueSelect = value) }),
      row('QueueNumMax', R.QUEUE_NUM_MAX, { read: () => transport.queue?.maxSize ?? 0 }),
      row('QueueNum', R.QUEUE_NUM, { write: (value) => transport.queue?.setSize(value) }),
      row('QueueReady', R.QUEUE_READY, {
        read: () => (transport.queue?.ready === true ? 1 : 0),
        write: (value) => transport.setReady((value & 1) !== 0),
      }),
      // Before its doorbell hangs, or where it has none.
      row('QueueNotify', R.QUEUE_NOTIFY, {
        write: (value) => {
          transport.notify(value)
        },
      }),
      row('InterruptStatus', R.INTERRUPT_STATUS, { read: () => this.#interruptStatus }),
      row('InterruptACK', R.INTERRUPT_ACK, {
        write: (value) => {
          this.#acknowledge(value)
        },
      }),
      row('Status', R.STATUS, { read: () => transport.status, write: (value) => this.#setStatus(value) }),
      ...ADDRESSES.flatMap(([area, name, offset]) =>
        ([0, 1] as const).map((half) =>
          row(`${name}${half === 0 ? 'Low' : 'High'}`, offset + 4 * half, {
            write: (value) => transport.queue?.setAddress(area, half, value),
          }),
        ),
      ),
      // There is no shared memory: its length is all ones (virtio 1.2, 4.2.2).
      ...[0, 4].map((part) => row(`SHMLen${part}`, R.SHM_LEN_LOW + part, { read: () => 0xffff_ffff })),
      row('ConfigGeneration', R.CONFIG_GENERATION, { read: () => transport.generation }),
    ]
  }

  #setStatus(value: number): void | Promise<void> {
    return value === 0 ? this.reset() : this.#transport.setStatus(value)
  }
}
