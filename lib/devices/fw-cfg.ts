import type { Device, Stateful } from '../bus/device.js'
import type { DeviceMemory } from '../memory/device-memory.js'
import { checkBoolean, checkInteger, checkOptions } from '../validate.js'
import {
  type DmaCommand,
  DMA_READ,
  DMA_SELECT,
  DMA_SKIP,
  DMA_WRITE,
  finishDmaCommand,
  readDmaCommand,
} from './fw-cfg-dma.js'
import { FW_CFG_KEYS, FwCfgItems } from './fw-cfg-items.js'
import { StateReader, type Versioned } from '../state.js'

export interface FwCfgOptions {
  /** Guest memory, for the DMA interface; without it only the data port works. */
  memory?: DeviceMemory
  /** Guest memory's size, in bytes. */
  ramSize?: number
  cpus?: number
  /** How many CPUs the firmware makes room for. Default: `cpus`. */
  maxCpus?: number
  /** A guest without display: firmware's output goes to the serial line. Default: true. */
  displayOff?: boolean
  /** Firmware asks which device to boot from. Default: false. */
  bootMenu?: boolean
}

export interface FwCfgState extends Versioned {
  key: number
  position: number
  dmaAddressHigh: number
  /** The contents of the files that the guest may write. */
  written: { name: string; bytes: number[] }[]
}

// Registers, from port 0x510 on.
const SELECTOR = 0
const DATA = 1
const DMA_HIGH = 4
const DMA_LOW = 8
export const FW_CFG_LENGTH = 12
const SELECTOR_WIDTH = 2

/** What the DMA register reads as: "QEMU CFG". */
const DMA_SIGNATURE = new TextEncoder().encode('QEMU CFG')
/** Zeros that one command may ask for past the end of an item. */
const MAX_PADDING = 1024 * 1024
const COPY = 1024 * 1024

const little = (value: number, bytes: number) =>
  Uint8Array.from({ length: bytes }, (_, index) => Math.floor(value / 0x100 ** index) & 0xff)

/** QEMU's firmware configuration device: selector, data port and DMA, at ports 0x510 to 0x51b. */
export class FwCfg implements Device, Stateful<FwCfgState> {
  readonly #memory: DeviceMemory | undefined
  readonly #items: FwCfgItems
  #key = 0
  #position = 0
  #dmaAddressHigh = 0

  constructor(options: FwCfgOptions = {}) {
    checkOptions('options', options, ['memory', 'ramSize', 'cpus', 'maxCpus', 'displayOff', 'bootMenu'])
    this.#memory = options.memory
    const ramSize = checkInteger('ramSize', options.ramSize ?? 0, 0, 2 ** 52)
    const cpus = checkInteger('cpus', options.cpus ?? 1, 1, 0xffff)
    const maxCpus = checkInteger('maxCpus', options.maxCpus ?? cpus, cpus, 0xffff)
    const displayOff = checkBoolean('displayOff', options.displayOff ?? true)
    const bootMenu = checkBoolean('bootMenu', options.bootMenu ?? false)
    this.#items = new FwCfgItems(options.memory !== undefined)
    this.set(FW_CFG_KEYS.uuid, new Uint8Array(16))
    this.set(FW_CFG_KEYS.ramSize, little(ramSize, 8))
    this.set(FW_CFG_KEYS.displayOff, little(displayOff ? 1 : 0, 2))
    this.set(FW_CFG_KEYS.cpus, little(cpus, 2))
    this.set(FW_CFG_KEYS.maxCpus, little(maxCpus, 2))
    this.set(FW_CFG_KEYS.numa, new Uint8Array(16))
    this.set(FW_CFG_KEYS.bootMenu, little(bootMenu ? 1 : 0, 2))
    this.set(FW_CFG_KEYS.irq0Override, little(1, 4))
  }

  /** Sets an item that is no file, by its key. */
  set(key: number, bytes: Uint8Array): void {
    this.#items.set(key, bytes)
  }

  /** Adds a file, or replaces one of that name. A writable file can be changed by the guest, but keeps its length. */
  addFile(name: string, bytes: Uint8Array, options: { writable?: boolean } = {}): void {
    checkOptions('options', options, ['writable'])
    this.#items.addFile(name, bytes, checkBoolean('writable', options.writable ?? false))
  }

  /** A copy of a file's bytes, as the guest has left them. */
  file(name: string): Uint8Array | undefined {
    return this.#items.files.find((file) => file.name === name)?.bytes.slice()
  }

  read(offset: number, data: Uint8Array): void {
    for (let index = 0; index < data.length; index++) data[index] = this.#readByte(offset + index)
  }

  write(offset: number, data: Uint8Array): void {
    // Ports are little-endian for the selector and big-endian for DMA; writes to the data port do nothing.
    switch (offset) {
      case SELECTOR:
        if (data.length >= SELECTOR_WIDTH) this.#select((data[0] ?? 0) | ((data[1] ?? 0) << 8))
        return
      case DMA_HIGH:
        if (data.length < 4) return
        this.#dmaAddressHigh = bigEndian(data)
        if (data.length === 8) this.#startDma(bigEndian(data.subarray(4)))
        return
      case DMA_LOW:
        if (data.length === 4) this.#startDma(bigEndian(data))
        return
      default:
    }
  }

  #readByte(offset: number): number {
    if (offset === DATA) {
      const byte = this.#items.get(this.#key)?.[this.#position] ?? 0
      this.#skip(1)
      return byte
    }
    const signature = this.#memory === undefined ? undefined : DMA_SIGNATURE[offset - DMA_HIGH]
    return signature ?? 0xff
  }

  #select(key: number): void {
    this.#key = key
    this.#position = 0
  }

  get #size(): number {
    return this.#items.get(this.#key)?.length ?? 0
  }

  /** Past the end there is nothing but zeros: the position need not go further. */
  #skip(length: number): void {
    this.#position = Math.min(this.#position + length, this.#size)
  }

  #startDma(low: number): void {
    const memory = this.#memory
    if (memory === undefined) return
    const at = (BigInt(this.#dmaAddressHigh) << 32n) | BigInt(low)
    // Used once: the next command may leave the upper half out.
    this.#dmaAddressHigh = 0
    const command = readDmaCommand(memory, at)
    if (command === undefined) return
    if ((command.control & DMA_SELECT) !== 0) this.#select(command.key)
    finishDmaCommand(memory, at, !this.#execute(memory, command))
  }

  #execute(memory: DeviceMemory, { control, address, length }: DmaCommand): boolean {
    if ((control & DMA_READ) !== 0) return this.#dmaRead(memory, address, length)
    if ((control & DMA_WRITE) !== 0) return this.#dmaWrite(memory, address, length)
    if ((control & DMA_SKIP) !== 0) this.#skip(length)
    return true
  }

  #dmaRead(memory: DeviceMemory, address: number, length: number): boolean {
    const item = this.#items.get(this.#key)?.subarray(this.#position) ?? new Uint8Array(0)
    if (length - item.length > MAX_PADDING) return false
    const bytes = length > item.length ? new Uint8Array(length) : item.subarray(0, length)
    if (length > item.length) bytes.set(item)
    if (!memory.write(address, bytes)) return false
    this.#skip(length)
    return true
  }

  #dmaWrite(memory: DeviceMemory, address: number, length: number): boolean {
    const item = this.#items.get(this.#key)
    if (item === undefined || !this.#items.isWritable(this.#key)) return false
    if (length > item.length - this.#position) return false
    for (let done = 0; done < length;) {
      const count = Math.min(COPY, length - done)
      const bytes = memory.read(address + done, count)
      if (bytes === undefined) return false
      item.set(bytes, this.#position)
      this.#skip(count)
      done += count
    }
    return true
  }

  /** As new; the files that the guest may write are as they were given. */
  reset(): void {
    this.#items.reset()
    this.#select(0)
    this.#dmaAddressHigh = 0
  }

  save(): FwCfgState {
    const writable = this.#items.files.filter((file) => file.writable)
    return {
      version: 1,
      key: this.#key,
      position: this.#position,
      dmaAddressHigh: this.#dmaAddressHigh,
      written: writable.map(({ name, bytes }) => ({ name, bytes: [...bytes] })),
    }
  }

  /** The files must be there, as they were when the state was saved. */
  restore(state: FwCfgState): void {
    const reader = new StateReader('fw_cfg', state, 1)
    const key = reader.integer('key', 0xffff)
    const position = reader.integer('position', this.#items.get(key)?.length ?? 0)
    const dmaAddressHigh = reader.integer('dmaAddressHigh', 0xffff_ffff)
    const writable = this.#items.files.filter((file) => file.writable)
    const written = reader.array('written', writable.length)
    const contents = writable.map((file, index) => {
      const entry = new StateReader(`fw_cfg's file ${file.name}`, written[index])
      entry.oneOf('name', [file.name])
      return { file, bytes: entry.integers('bytes', file.bytes.length, 0xff, true) }
    })
    for (const { file, bytes } of contents) file.bytes.set(bytes)
    this.#key = key
    this.#position = position
    this.#dmaAddressHigh = dmaAddressHigh
  }
}

function bigEndian(data: Uint8Array): number {
  return (((data[0] ?? 0) << 24) | ((data[1] ?? 0) << 16) | ((data[2] ?? 0) << 8) | (data[3] ?? 0)) >>> 0
}
