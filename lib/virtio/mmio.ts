import type { Device, Stateful } from '../bus/device.js'
import type { DeviceContext, Doorbell } from '../bus/device-context.js'
import { InterruptOutput } from '../bus/interrupt-line.js'
import { type Register, Registers } from '../bus/registers.js'
import { KvmError } from '../errors.js'
import { StateReader } from '../state.js'
import { type Access, addressRegisters, commonRegisters } from './common-registers.js'
import * as R from './mmio-registers.js'
import { Transport, type TransportContext } from './transport.js'
import type { TransportState } from './transport-state.js'
import type { VirtioDevice } from './virtio-device.js'

/** What of a machine this transport needs. */
export type VirtioMmioContext = TransportContext & Pick<DeviceContext, 'interrupt' | 'doorbell'>

export interface VirtioMmioState extends TransportState {
  interruptStatus: number
}

/** `NKVM`, little-endian: no register of a driver depends on it. */
const VENDOR = 0x4d56_4b4e
const ALL_INTERRUPTS = R.USED_BUFFER | R.CONFIG_CHANGE
const ADDRESSES = {
  descriptors: ['QueueDesc', R.QUEUE_DESC_LOW],
  driver: ['QueueDriver', R.QUEUE_DRIVER_LOW],
  device: ['QueueDevice', R.QUEUE_DEVICE_LOW],
} as const

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
  #interruptStatus = 0

  constructor(device: VirtioDevice, context: VirtioMmioContext) {
    this.device = device
    this.#name = context.name
    this.#line = new InterruptOutput(context.interrupt())
    this.#transport = new Transport(device, context, {
      queueInterrupt: () => {
        this.#raise(R.USED_BUFFER)
      },
      configInterrupt: () => {
        this.#raise(R.CONFIG_CHANGE)
      },
      doorbell: (index, ring) => {
        const at = { offset: R.QUEUE_NOTIFY, length: 4, value: BigInt(index) } as const
        return openDoorbell(() => context.doorbell(at, ring))
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

  letGo(): Promise<void> {
    return this.#transport.letGo()
  }

  takeBack(): Promise<void> {
    return this.#transport.takeBack()
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
    const common = commonRegisters(transport, () => this.reset())
    const row = (name: string, offset: number, access: Access): Register => ({
      ...{ name, offset, width: 4, rest: 'zeros' },
      ...access,
    })
    const writeOnly = (name: string, offset: number, { write }: Required<Access>) => row(name, offset, { write })
    return [
      row('MagicValue', R.MAGIC_VALUE, { read: () => R.MAGIC }),
      row('Version', R.VERSION, { read: () => R.CURRENT_VERSION }),
      row('DeviceID', R.DEVICE_ID, { read: () => this.device.id }),
      row('VendorID', R.VENDOR_ID, { read: () => VENDOR }),
      row('DeviceFeatures', R.DEVICE_FEATURES, common.deviceFeatures),
      writeOnly('DeviceFeaturesSel', R.DEVICE_FEATURES_SEL, common.deviceSelect),
      writeOnly('DriverFeatures', R.DRIVER_FEATURES, common.driverFeatures),
      writeOnly('DriverFeaturesSel', R.DRIVER_FEATURES_SEL, common.driverSelect),
      writeOnly('QueueSel', R.QUEUE_SEL, common.queueSelect),
      row('QueueNumMax', R.QUEUE_NUM_MAX, { read: () => transport.queue?.maxSize ?? 0 }),
      writeOnly('QueueNum', R.QUEUE_NUM, common.queueSize),
      row('QueueReady', R.QUEUE_READY, {
        read: common.queueReady.read,
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
      row('Status', R.STATUS, common.status),
      ...addressRegisters(transport, ADDRESSES, ['Low', 'High']).map((each) => writeOnly(...each)),
      // There is no shared memory: its length is all ones (virtio 1.2, 4.2.2).
      ...[0, 4].map((part) => row(`SHMLen${part}`, R.SHM_LEN_LOW + part, { read: () => 0xffff_ffff })),
      row('QueueReset', R.QUEUE_RESET, common.queueReset),
      row('ConfigGeneration', R.CONFIG_GENERATION, common.generation),
    ]
  }
}
