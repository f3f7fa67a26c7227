import type { AddressRange } from '../arch/x86/memory-layout.js'
import { inOrder } from '../bus/in-order.js'
import { KvmError } from '../errors.js'
import { checkOptions, invalidArgument } from '../validate.js'
import { checkAddress, formatAddress, type PciAddress } from './address.js'
import { PciFunction } from './function.js'
import { hostBridge } from './host-bridge.js'
import type { PciDeviceFactory } from './pci-device.js'
import { Placement } from './placement.js'
import { EXTENDED_LENGTH, FUNCTIONS, SLOTS } from './registers.js'
import type { PciSurroundings } from './surroundings.js'
import { Window } from './window.js'

export interface PciBusOptions extends PciSurroundings {
  /** From where BARs get their places before a guest moves them. */
  readonly windows: { ports: AddressRange; memory: AddressRange }
  /** The interrupt line of the functions in a slot. */
  readonly gsi: (slot: number) => number
}

/** A function and where it is to be. */
export interface PciNode {
  /** Unique in the machine. */
  name: string
  /** 1 to 31. Default: the first that is free. */
  slot?: number
  /** 1 to 7, of a slot whose function 0 is there already. Default: 0. */
  function?: number
  /** Makes the device, once, of what the function can reach. */
  device: PciDeviceFactory
}

const PAGE = 0x1000
const SMALLEST_PORTS = 4
const ONES = 0xff

/** Bus 0, with its host bridge as 00:00.0. Configuration accesses come by {@link ConfigPorts} and {@link Ecam}. */
export class PciBus {
  readonly bridge: PciFunction
  readonly #options: PciBusOptions
  readonly #functions = new Map<number, PciFunction>()
  readonly #placement = new Placement()
  readonly #ports: Window
  readonly #memory: Window

  constructor(options: PciBusOptions) {
    this.#options = options
    this.#ports = new Window(options.ports, options.windows.ports, SMALLEST_PORTS)
    this.#memory = new Window(options.mmio, options.windows.memory, PAGE)
    this.bridge = this.#put('pci/00:00.0', { slot: 0, function: 0 }, hostBridge)
  }

  /** In the order of their addresses. */
  get functions(): readonly PciFunction[] {
    return [...this.#functions].sort(([a], [b]) => a - b).map(([, each]) => each)
  }

  /**
   * Throws `ERR_KVM_BUS_OVERLAP` where another function is, and `ERR_KVM_NO_RESOURCE` where there is no slot left, or no place for
   * a BAR.
   */
  add(node: PciNode): PciFunction {
    const { name, device } = checkOptions('node', node, ['name', 'slot', 'function', 'device']) as unknown as PciNode
    if (typeof name !== 'string' || name === '') throw invalidArgument('name', name, 'a string that is not empty')
    if (typeof device !== 'function') throw invalidArgument('device', device, 'a function that makes one')
    const address = checkAddress({ slot: node.slot ?? this.#freeSlot(name), function: node.function ?? 0 })
    const other = this.at(address)
    if (other !== undefined) {
      const where = formatAddress(address)
      throw new KvmError(
        'ERR_KVM_BUS_OVERLAP',
        `${name} cannot be at ${where}: ${other.name} is; give one of them another slot`,
        {
          operands: { node: name, other: other.name, address: where },
        },
      )
    }
    const first = this.at({ slot: address.slot, function: 0 })
    if (address.function > 0 && first === undefined) {
      throw invalidArgument('function', address.function, '0, since no guest looks for others in a slot without it')
    }
    const made = this.#put(name, address, device)
    if (address.function > 0) for (const each of this.#inSlot(address.slot)) each.showOthers()
    return made
  }

  /** Takes a function off the bus. */
  remove(gone: PciFunction): void {
    if (this.at(gone.address) !== gone) return
    this.#functions.delete(index(gone.address))
    gone.leave()
  }

  at(address: PciAddress): PciFunction | undefined {
    return this.#functions.get(index(address))
  }

  /** A guest reads, or writes, configuration space, at an address of ECAM: that of bus 0 is 0. */
  access(offset: number, data: Uint8Array, isWrite: boolean): void | Promise<void> {
    const within = offset % EXTENDED_LENGTH
    const length = Math.min(data.length, EXTENDED_LENGTH - within)
    const found = this.#functions.get(Math.floor(offset / EXTENDED_LENGTH))
    const part = data.subarray(0, length)
    const one = () => {
      if (found !== undefined) return isWrite ? found.write(within, part) : found.read(within, part)
      if (!isWrite) part.fill(ONES)
    }
    if (length === data.length) return one()
    return inOrder([one, () => this.access(offset + length, data.subarray(length), isWrite)])
  }

  #put(name: string, address: PciAddress, device: PciDeviceFactory): PciFunction {
    const gsi = this.#options.gsi(address.slot)
    const made = new PciFunction({ name, address, device, gsi, around: this.#options, placement: this.#placement })
    const places = made.bars.map(({ index, kind, length }) => {
      return [index, (kind === 'port' ? this.#ports : this.#memory).choose(name, length)] as const
    })
    made.assign(new Map(places))
    this.#functions.set(index(address), made)
    return made
  }

  #inSlot(slot: number): PciFunction[] {
    return this.functions.filter(({ address }) => address.slot === slot)
  }

  #freeSlot(name: string): number {
    for (let slot = 0; slot < SLOTS; slot++) if (this.#inSlot(slot).length === 0) return slot
    throw new KvmError(
      'ERR_KVM_NO_RESOURCE',
      `${name} needs a slot, and all ${SLOTS} are taken; a slot has ${FUNCTIONS} functions`,
      {
        operands: { node: name, resource: 'slot' },
      },
    )
  }
}

const index = ({ slot, function: number }: PciAddress) => slot * FUNCTIONS + number
