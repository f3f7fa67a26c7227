import type { Device } from '../bus/device.js'
import { KvmError } from '../errors.js'
import { StateReader } from '../state.js'
import { checkInteger, invalidArgument } from '../validate.js'
import type { PciAddress } from './address.js'
import { BaseAddress } from './base-address.js'
import { checkBars, commandBits } from './bars.js'
import { Capabilities } from './capabilities.js'
import { checkDevice } from './check-device.js'
import { ConfigSpace } from './config-space.js'
import { FunctionContext, type FunctionParts } from './function-context.js'
import { writeHeader } from './header.js'
import { InterruptPin } from './interrupt-pin.js'
import { Msix, type MsixState } from './msix.js'
import { msixCapability, tableBar } from './msix-capability.js'
import type { PciDevice, PciDeviceFactory } from './pci-device.js'
import type { Placement } from './placement.js'
import * as R from './registers.js'
import type { PciSurroundings } from './surroundings.js'

const VERSION = 1
const INTA = 1

/** What a function is put together of. */
export interface FunctionOptions {
  name: string
  address: PciAddress
  device: PciDeviceFactory
  /** Where its interrupt line leads, if it has one. */
  gsi: number
  around: PciSurroundings
  placement: Placement
}

export interface PciFunctionState {
  version: number
  /** The 256 bytes of its configuration space, in hexadecimal digits. */
  config: string
  /** Of one with MSI-X. */
  messages?: MsixState
  /** Of a device that saves a state of its own. */
  device?: object
}

/** Where a BAR is. */
export interface BarStatus {
  readonly index: number
  readonly kind: 'memory' | 'port'
  readonly length: number
  /** The first address at which it answers; undefined: nowhere. */
  readonly start: number | undefined
  /** How often the guest has put it where there is no place for it. */
  readonly refused: number
}

/**
 * A function of PCI: its configuration space, with all that hangs on it. As a device it answers with that space. Where its BARs
 * are, what of it reaches memory and how it interrupts is what its guest has written there.
 */
export class PciFunction implements Device {
  readonly name: string
  readonly address: PciAddress
  readonly device: PciDevice
  readonly #space = new ConfigSpace()
  readonly #capabilities = new Capabilities(this.#space)
  readonly #bases: readonly BaseAddress[]
  readonly #msix: Msix | undefined
  readonly #msixControl: number
  readonly #pin: InterruptPin | undefined
  readonly #placement: Placement
  /** After a reset: with places, as firmware would leave them. */
  #initial: Uint8Array

  /** @internal A bus makes it. */
  constructor({ name, address, device: make, gsi, around, placement }: FunctionOptions) {
    this.name = name
    this.address = address
    this.#placement = placement
    const context = new FunctionContext(name, around)
    this.device = checkDevice(make(context))
    const { identity, pin = false, vectors = 0, capabilities = [], bars = [] } = this.device
    this.#msix = vectors === 0 ? undefined : new Msix(vectors, around.messages())
    this.#pin = pin ? new InterruptPin(around.line(gsi), () => this.#update()) : undefined
    const space = this.#space
    const all = checkBars(this.#msix === undefined ? bars : [...bars, tableBar(this.#msix)])
    writeHeader(space, { identity, command: commandBits(all, pin), pin: pin ? INTA : 0 })
    if (pin) space.set(R.INTERRUPT_LINE, 1, gsi)
    this.#bases = all.map((bar) => {
      const bus = bar.kind === 'port' ? around.ports : around.mmio
      return new BaseAddress(bar, name, { space, bus, open: around.doorbell })
    })
    for (const capability of capabilities) this.#capabilities.add(capability)
    const table = all.find(({ device }) => device === this.#msix)
    this.#msixControl = this.#msix && table ? this.#capabilities.add(msixCapability(this.#msix, table.index)) : 0
    for (const [offset, length] of this.#acting) space.watch({ offset, length, written: () => this.#update() })
    this.#initial = space.bytes.slice()
    context.complete(this.#parts)
  }

  get bars(): readonly BarStatus[] {
    return this.#bases.map(({ bar: { index, kind, length }, start, refused }) => ({
      index,
      kind,
      length,
      start,
      refused,
    }))
  }

  read(offset: number, data: Uint8Array): void | Promise<void> {
    return this.#space.read(offset, data)
  }

  write(offset: number, data: Uint8Array): void | Promise<void> {
    return this.#space.write(offset, data)
  }

  /** Puts its BARs at these addresses, by their index, as firmware does before a guest starts. So they are after each reset. */
  assign(addresses: ReadonlyMap<number, number>): void {
    for (const base of this.#bases) base.assign(addresses.get(base.bar.index) ?? 0)
    const decodes = commandBits(this.#bases.map(({ bar }) => bar)) & (R.COMMAND_IO | R.COMMAND_MEMORY)
    this.#space.set(R.COMMAND, 2, decodes)
    this.#initial = this.#space.bytes.slice()
    this.#update()
  }

  /** Its slot has other functions, too. */
  showOthers(): void {
    for (const bytes of [this.#space.bytes, this.#initial]) bytes[R.HEADER_TYPE] = R.MULTIFUNCTION
  }

  reset(): void | Promise<void> {
    this.#space.bytes.set(this.#initial)
    this.#capabilities.refresh()
    this.#msix?.reset()
    this.#pin?.set(false)
    this.#update()
    return this.device.reset?.()
  }

  save(): PciFunctionState {
    const device = this.device.restore === undefined ? undefined : this.device.save?.()
    return { ...this.#own(), ...(device === undefined ? {} : { device }) }
  }

  restore(state: PciFunctionState): void {
    const before = this.#check(this.#own())
    this.#check(state)()
    if (this.device.save === undefined || this.device.restore === undefined) return
    try {
      this.device.restore(state.device as object)
    } catch (error) {
      before()
      throw error
    }
  }

  /** It is on no bus any more. */
  leave(): void {
    for (const base of this.#bases) this.#placement.move(base, undefined)
    this.#pin?.set(false)
  }

  pause(): void | Promise<void> {
    return this.device.pause?.()
  }

  resume(): void {
    this.device.resume?.()
  }

  close(): void | Promise<void> {
    return this.device.close?.()
  }

  #own(): PciFunctionState {
    const messages = this.#msix?.save()
    return {
      version: VERSION,
      config: Buffer.from(this.#space.bytes).toString('hex'),
      ...(messages === undefined ? {} : { messages }),
    }
  }

  /** Checks all of a state but its device's, and returns what takes it over. */
  #check(state: PciFunctionState): () => void {
    const reader = new StateReader(this.name, state, VERSION)
    const config = reader.bytes('config', R.CONFIG_LENGTH)
    const interrupt = (offset: number) => (this.#pin !== undefined && offset === R.STATUS ? R.STATUS_INTERRUPT : 0)
    if (!this.#space.isReachable(config, (offset) => interrupt(offset) | this.#capabilities.free(offset))) {
      throw new KvmError(
        'ERR_KVM_INVALID_STATE',
        `the saved state of ${this.name} is not one of this function: bits differ that no guest can write`,
        { operands: { device: this.name, member: 'config' } },
      )
    }
    const takeMessages = this.#msix?.check(new StateReader(`the vectors of ${this.name}`, state.messages))
    return () => {
      this.#space.bytes.set(config)
      this.#capabilities.refresh()
      takeMessages?.()
      this.#pin?.restore(((config[R.STATUS] ?? 0) & R.STATUS_INTERRUPT) !== 0, this.#usesPin)
      this.#update()
    }
  }

  get #parts(): FunctionParts {
    const { name } = this
    const isMaster = () => this.#isMaster
    const messages = () => this.#usesMessages
    return {
      get isMaster() {
        return isMaster()
      },
      get messages() {
        return messages()
      },
      interrupt: (level) => this.#pin?.set(level),
      trigger: (vector) => this.#msix?.trigger(vector),
      doorbell: (index, options, ring) => {
        const base = this.#bases.find(({ bar }) => bar.index === index)
        if (base === undefined) throw invalidArgument('bar', index, `the index of a BAR of ${name}`)
        return base.doorbells.add(options, base.bar.length, ring)
      },
      checkPin: () => {
        if (this.#pin === undefined) throw invalidArgument('pin', false, `true, since ${name} has an interrupt line`)
      },
      checkVector: (index) => {
        const count = this.#msix?.count ?? 0
        if (count === 0) throw invalidArgument('vectors', 0, `a number, since ${name} has vectors`)
        checkInteger('index', index, 0, count - 1)
      },
    }
  }

  /** Registers that do something: offset and length. */
  get #acting(): [offset: number, length: number][] {
    const registers: [number, number][] = [
      [R.COMMAND, 2],
      [R.BASE_ADDRESSES, R.BAR_COUNT * R.BAR_WIDTH],
    ]
    return this.#msix === undefined ? registers : [...registers, [this.#msixControl, 2]]
  }

  get #command(): number {
    return this.#space.get16(R.COMMAND)
  }

  get #isMaster(): boolean {
    return (this.#command & R.COMMAND_MASTER) !== 0
  }

  get #usesMessages(): boolean {
    return this.#msix !== undefined && (this.#space.get16(this.#msixControl) & R.MSIX_ENABLE) !== 0
  }

  get #usesPin(): boolean {
    return (this.#command & R.COMMAND_NO_INTX) === 0 && !this.#usesMessages
  }

  /** All is as the configuration space says. */
  #update(): void {
    const command = this.#command
    for (const base of this.#bases) this.#placement.move(base, base.place(command))
    const isMasked = this.#msix !== undefined && (this.#space.get16(this.#msixControl) & R.MSIX_FUNCTION_MASK) !== 0
    this.#msix?.control(this.#usesMessages, isMasked || !this.#isMaster)
    if (this.#pin === undefined) return
    const status = this.#space.get16(R.STATUS) & ~R.STATUS_INTERRUPT
    this.#space.set(R.STATUS, 2, this.#pin.wanted ? status | R.STATUS_INTERRUPT : status)
    this.#pin.drive(this.#usesPin)
  }
}
