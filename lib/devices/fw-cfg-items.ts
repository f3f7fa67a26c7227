import { KvmError } from '../errors.js'
import { checkBytes, checkInteger, invalidArgument } from '../validate.js'

/** Keys of the items that are no files (QEMU's specification, "fw_cfg", and its headers). */
export const FW_CFG_KEYS = {
  signature: 0x00,
  id: 0x01,
  uuid: 0x02,
  ramSize: 0x03,
  displayOff: 0x04,
  cpus: 0x05,
  machineId: 0x06,
  kernelAddress: 0x07,
  kernelSize: 0x08,
  initrdAddress: 0x0a,
  initrdSize: 0x0b,
  bootDevice: 0x0c,
  numa: 0x0d,
  bootMenu: 0x0e,
  maxCpus: 0x0f,
  kernelEntry: 0x10,
  kernelData: 0x11,
  initrdData: 0x12,
  cmdlineAddress: 0x13,
  cmdlineSize: 0x14,
  cmdlineData: 0x15,
  setupAddress: 0x16,
  setupSize: 0x17,
  setupData: 0x18,
  fileDirectory: 0x19,
  irq0Override: 0x8002,
} as const

const FIRST_FILE = 0x20
const LAST_FILE = 0x3fff
/** Names are 56 bytes in the directory, the last one 0. */
const NAME_FIELD = 56
const DIRECTORY_HEADER = 4
const DIRECTORY_ENTRY = 8 + NAME_FIELD
const SIGNATURE = new TextEncoder().encode('QEMU')
const ID_TRADITIONAL = 1 << 0
const ID_DMA = 1 << 1

export interface FwCfgFile {
  readonly name: string
  readonly key: number
  readonly bytes: Uint8Array
  /** Whether the guest may change the bytes by DMA. Their number is fixed. */
  readonly writable: boolean
  /** As they were given. */
  readonly given: Uint8Array
}

/** Everything that firmware can ask for: items by key, and files by name. */
export class FwCfgItems {
  readonly #items = new Map<number, Uint8Array>()
  readonly #files = new Map<string, FwCfgFile>()

  constructor(dma: boolean) {
    this.set(FW_CFG_KEYS.signature, SIGNATURE)
    this.set(FW_CFG_KEYS.id, Uint8Array.of(ID_TRADITIONAL | (dma ? ID_DMA : 0), 0, 0, 0))
    this.#list()
  }

  get files(): readonly FwCfgFile[] {
    return [...this.#files.values()]
  }

  get(key: number): Uint8Array | undefined {
    return this.#items.get(key)
  }

  isWritable(key: number): boolean {
    return this.files.some((file) => file.key === key && file.writable)
  }

  set(key: number, bytes: Uint8Array): void {
    checkInteger('key', key, 0, 0xffff)
    this.#items.set(key, checkBytes('bytes', bytes).slice())
  }

  addFile(name: string, bytes: Uint8Array, writable: boolean): void {
    const length = typeof name === 'string' ? new TextEncoder().encode(name).length : 0
    // A name with a NUL in it would not come back from the directory as it is.
    if (length === 0 || length >= NAME_FIELD || name.includes('\0')) {
      throw invalidArgument('name', name, `1 to ${NAME_FIELD - 1} bytes long, without NUL`)
    }
    const key = this.#files.get(name)?.key ?? FIRST_FILE + this.#files.size
    if (key > LAST_FILE) {
      throw new KvmError('ERR_KVM_INVALID_ARGUMENT', `fw_cfg has no key left for the file ${name}`, {
        operands: { name, files: this.#files.size },
      })
    }
    const own = checkBytes('bytes', bytes).slice()
    this.#files.set(name, { name, key, bytes: own, writable, given: writable ? own.slice() : own })
    this.#items.set(key, own)
    this.#list()
  }

  /** Takes back what the guest has written. */
  reset(): void {
    for (const { bytes, given, writable } of this.files) if (writable) bytes.set(given)
  }

  /** The directory: a count, and for each file its size, key and name; big-endian, by name. */
  #list(): void {
    const files = this.files.toSorted((a, b) => (a.name < b.name ? -1 : 1))
    const bytes = new Uint8Array(DIRECTORY_HEADER + files.length * DIRECTORY_ENTRY)
    const view = new DataView(bytes.buffer)
    view.setUint32(0, files.length)
    files.forEach((file, index) => {
      const at = DIRECTORY_HEADER + index * DIRECTORY_ENTRY
      view.setUint32(at, file.bytes.length)
      view.setUint16(at + 4, file.key)
      bytes.set(new TextEncoder().encode(file.name), at + 8)
    })
    this.#items.set(FW_CFG_KEYS.fileDirectory, bytes)
  }
}
