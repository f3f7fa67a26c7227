import { ascii } from './aml.js'

/** Bytes of a table, filled in field by field; the header's length and checksum come last. */
export class TableBuilder {
  readonly bytes: Uint8Array
  readonly #view: DataView

  constructor(length: number) {
    this.bytes = new Uint8Array(length)
    this.#view = new DataView(this.bytes.buffer)
  }

  text(offset: number, text: string): void {
    this.bytes.set(ascii(text), offset)
  }
  uint8(offset: number, value: number): void {
    this.#view.setUint8(offset, value)
  }
  uint16(offset: number, value: number): void {
    this.#view.setUint16(offset, value, true)
  }
  uint32(offset: number, value: number): void {
    this.#view.setUint32(offset, value, true)
  }
  uint64(offset: number, value: number): void {
    this.uint32(offset, value % 2 ** 32)
    this.uint32(offset + 4, Math.floor(value / 2 ** 32))
  }
}

/** The byte that makes all bytes sum up to 0. */
export function checksum(bytes: Uint8Array): number {
  return -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff
}

// System description table header (ACPI 6.5, table 5.4).
export const HEADER_SIZE = 36
const LENGTH = 4
const REVISION = 8
const CHECKSUM = 9
const OEM_ID = 10
const OEM_TABLE_ID = 16
const OEM_REVISION = 24
const CREATOR_ID = 28
const CREATOR_REVISION = 32

/** Six characters, as in every table. */
export const OEM = 'NODKVM'

/** Fills the header of a complete table. */
export function finishTable(table: TableBuilder, signature: string, revision: number): Uint8Array {
  table.text(0, signature)
  table.uint32(LENGTH, table.bytes.length)
  table.uint8(REVISION, revision)
  table.text(OEM_ID, OEM)
  table.text(OEM_TABLE_ID, 'NODE-KVM')
  table.uint32(OEM_REVISION, 1)
  table.text(CREATOR_ID, 'NKVM')
  table.uint32(CREATOR_REVISION, 1)
  table.uint8(CHECKSUM, 0)
  table.uint8(CHECKSUM, checksum(table.bytes))
  return table.bytes
}
