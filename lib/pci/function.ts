import type { Device } from '../bus/device.js'
import { KvmError } from '../errors.js'
import { StateReader } from '../state.js'
import { invalidArgument } from '../validate.js'
import type { PciAddress } from './address.js'
import { type BarStatus, BaseAddress } from './base-address.js'
import { checkBars, commandBits } from './bars.js'
import { Capabilities } from './capabilities.js'
import { checkDevice } from './check-device.js'
import { ConfigSpace } from './config-space.js'
import { FunctionContext, type FunctionParts } from './function-context.js'
import { FunctionInterrupts } from './function-interrupts.js'
import { writeHeader } from './header.js'
import type { MasterMemory } from './master-memory.js'
import type { MsixState } from './msix.js'
import type { PciDevice, PciDeviceFactory } from './pci-device.js'
import type { Placement } from './placement.js'
import * as R from './registers.js'
import type { PciSurroundings } from './surroundings.js'

const VERSION = 1
const INTA = 1
/** Registers of every function that do something: offset and length. */
const ACTING: readonly (readonly [offset: number, length: number])[] = [
  [R.COMMAND, 2],
  [R.BASE_ADDRESSES, R.BAR_COUNT * R.BAR_WIDTH],
]

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
  readonly #interrupts: FunctionInterrupts
  readonly #placement: Placement
  readonly #memory: MasterMemory
  /** After a reset: with places, as firmware would leave them. */
  #initial: Uint8Array

  /** @internal A bus makes it. */
  constructor({ name, address, device: make, gsi, around, placement }: FunctionOptions) {
    this.name = name
    this.address = address
    this.#placement = placement
    const context = new FunctionContext(name, around)
    this.#memory = context.memory
    this.device = checkDevice(make(context))
    const { identity, pin = false, vectors = 0, capabilities = [], bars = [] } = this.device
    const space = this.#space
    const interrupts = new FunctionInterrupts({ name, space, pin, gsi, vectors, around })
    this.#interrupts = interrupts
    const all = checkBars(bars, interrupts.bars)
    writeHeader(space, { identity, command: commandBits(all, pin), pin: pin ? INTA : 0 })
    if (pin) space.set(R.INTERRUPT_LINE, 1, gsi)
    this.#bases = all.map((bar) => {
      const bus = bar.kind === 'port' ? around.ports : around.mmio
      return new BaseAddress(bar, name, { space, bus, open: around.doorbell })
    })
    for (const capability of capabilities) this.#capabilities.add(capability)
    interrupts.describe(all, this.#capabilities)
    for (const [offset, length] of [...ACTING, ...interrupts.registers]) {
      space.watch({ offset, length, written: () => this.#update() })
    }
    this.#initial = space.bytes.slice()
    context.complete(this.#parts)
  }

  get bars(): readonly BarStatus[] {
    return this.#bases.map((base) => base.status)
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
    this.#interrupts.reset()
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
    this.#interrupts.set(false)
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
    const messages = this.#interrupts.save()
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
    const free = (offset: number) => this.#interrupts.free(offset) | this.#capabilities.free(offset)
    if (!this.#space.isReachable(config, free)) {
      throw new KvmError(
        'ERR_KVM_INVALID_STATE',
        `the saved state of ${this.name} is not one of this function: bits differ that no guest can write`,
        { operands: { device: this.name, member: 'config' } },
      )
    }
    const takeInterrupts = this.#interrupts.check(state.messages)
    return () => {
      this.#space.bytes.set(config)
      this.#capabilities.refresh()
      takeInterrupts()
      this.#update()
    }
  }

  get #parts(): FunctionParts {
    const [space, interrupts] = [this.#space, this.#interrupts]
    return {
      get isMaster() {
        return (space.get16(R.COMMAND) & R.COMMAND_MASTER) !== 0
      },
      interrupts,
      doorbell: (index, options, ring) => {
        const base = this.#bases.find(({ bar }) => bar.index === index)
        if (base === undefined) throw invalidArgument('bar', index, `the index of a BAR of ${this.name}`)
        return base.doorbells.add(options, base.bar.length, ring)
      },
    }
  }

  /** All is as the configuration space says. */
  #update(): void {
    const command = this.#space.get16(R.COMMAND)
    for (const base of this.#bases) this.#placement.move(base, base.place(command))
    this.#interrupts.update()
    this.#memory.update()
  }
}
