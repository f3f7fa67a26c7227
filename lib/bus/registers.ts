import { hex } from '../format.js'
import { checkInteger, checkOneOf, checkOptions, invalidArgument } from '../validate.js'
import type { Device } from './device.js'
import { inOrder, promised } from './in-order.js'

export interface RegisterPlace {
  /** What messages call it: the data sheet's name. */
  name: string
  /** The device's offset of its first byte, a multiple of the width. */
  offset: number
  /**
   * What stands in for the bytes that a narrower write leaves out: what is read there, or zeros. Zeros are for registers whose
   * ones do something (write one to clear) and for those whose reading has an effect. Default: `read`.
   */
  rest?: 'read' | 'zeros'
}

/**
 * A row of a device's table of registers. The device gets and gives whole values, whatever the width and the alignment of the
 * guest's access. Without `read` it reads as zero; without `write`, writes are ignored. A promise that `write` returns is waited for.
 */
export type Register = RegisterPlace &
  (
    | { width: 1 | 2 | 4; read?: () => number; write?: (value: number) => unknown }
    | { width: 8; read?: () => bigint; write?: (value: bigint) => unknown }
  )

export interface RegistersOptions {
  /** What each byte between the registers reads as. Default: 0. */
  empty?: number
}

const WIDTHS: readonly unknown[] = [1, 2, 4, 8]
const RESTS = ['read', 'zeros'] as const
const WIDEST = 8

/**
 * A device's registers as a table. An access that takes in several of them, or parts of them, is one access to each, lowest
 * offset first; so a part of a register is read by reading all of it.
 */
export class Registers implements Device {
  /** How many bytes they take, from offset 0 on. */
  readonly length: number
  readonly #empty: number
  /** By each byte's offset, the register that it belongs to. */
  readonly #rows: (Register | undefined)[] = []
  // Where a value is between the guest's bytes and the device's number; empty between two accesses.
  readonly #bytes = new Uint8Array(WIDEST)
  readonly #value = new DataView(this.#bytes.buffer)

  constructor(rows: readonly Register[], options: RegistersOptions = {}) {
    checkOptions('options', options, ['empty'])
    this.#empty = checkInteger('empty', options.empty ?? 0, 0, 0xff)
    for (const row of rows) this.#add(row)
    this.length = this.#rows.length
  }

  #add(row: Register): void {
    checkOptions('register', row, ['name', 'offset', 'width', 'rest', 'read', 'write'])
    const { name, offset, width } = row
    if (!WIDTHS.includes(width)) throw invalidArgument(`the width of ${name}`, width, '1, 2, 4 or 8')
    checkOneOf(`the rest of ${name}`, row.rest ?? 'read', RESTS)
    checkInteger(`the offset of ${name}`, offset, 0, 0xffff)
    if (offset % width !== 0)
      throw invalidArgument(`the offset of ${name}`, offset, `a multiple of its width, ${width}`)
    for (let at = offset; at < offset + width; at++) {
      const other = this.#rows[at]
      if (other !== undefined) {
        throw invalidArgument(`the offset of ${name}`, offset, `clear of ${other.name}, which has ${hex(at)}`)
      }
      this.#rows[at] = row
    }
  }

  read(offset: number, data: Uint8Array): void {
    const end = offset + data.length
    for (let at = offset; at < end;) {
      const row = this.#rows[at]
      const next = row === undefined ? at + 1 : Math.min(end, row.offset + row.width)
      if (row === undefined) data[at - offset] = this.#empty
      else {
        this.#load(row)
        data.set(this.#bytes.subarray(at - row.offset, next - row.offset), at - offset)
      }
      at = next
    }
  }

  write(offset: number, data: Uint8Array): void | Promise<void> {
    const first = this.#rows[offset]
    // By far the most: one register, and nothing else.
    if (first !== undefined && offset + data.length <= first.offset + first.width)
      return this.#store(first, offset, data)
    const end = offset + data.length
    const steps: (() => void | Promise<void>)[] = []
    for (let at = offset; at < end;) {
      const row = this.#rows[at]
      const next = row === undefined ? at + 1 : Math.min(end, row.offset + row.width)
      const [from, part] = [at, data.subarray(at - offset, next - offset)]
      if (row !== undefined) steps.push(() => this.#store(row, from, part))
      at = next
    }
    return inOrder(steps)
  }

  /** Brings the register's value into `#bytes`. */
  #load(row: Register): void {
    if (row.width === WIDEST) this.#value.setBigUint64(0, row.read?.() ?? 0n, true)
    else this.#value.setUint32(0, row.read?.() ?? 0, true)
  }

  #store(row: Register, offset: number, part: Uint8Array): void | Promise<void> {
    if (row.write === undefined) return
    if (part.length < row.width && row.rest !== 'zeros') this.#load(row)
    else this.#bytes.fill(0)
    this.#bytes.set(part, offset - row.offset)
    if (row.width === WIDEST) return promised(row.write(this.#value.getBigUint64(0, true)))
    const whole = this.#value.getUint32(0, true)
    return promised(row.write(row.width === 4 ? whole : whole & (2 ** (8 * row.width) - 1)))
  }
}
