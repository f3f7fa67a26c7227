import { KvmError } from '../errors.js'
import { checkInteger, checkUint64 } from '../validate.js'
import { kvm_run } from './kvm-run.js'
import { type Member, WIDTHS } from './struct.js'

const found = new Map<string, Place>()

/** Where a member of struct kvm_run is: bytes of one, how many. */
interface Place {
  offset: number
  width: 0 | 1 | 2 | 4 | 8
  count: number
}

// Members that some architecture of this library lacks. Any other name that the layout does not have is misspelt.
const ABSENT: Place = { offset: 0, width: 0, count: 0 }
const NOT_EVERYWHERE = /^(debug\.arch|s\.regs)\./

function find(name: string): Place {
  let place = found.get(name)
  if (place === undefined) found.set(name, (place = toPlace(name, kvm_run.member(name))))
  return place
}

function toPlace(name: string, member: Member | undefined): Place {
  if (member !== undefined) {
    return { offset: member.offset, width: WIDTHS[member.type] ?? 0, count: member.count ?? 1 }
  }
  if (NOT_EVERYWHERE.test(name) && process.arch !== 'x64') return ABSENT
  throw new KvmError('ERR_KVM_UNSUPPORTED', `struct kvm_run has no member ${name} on ${process.arch}`, {
    operands: { member: name },
  })
}

/** The offset of a member of struct kvm_run, or 0 where this architecture has none. A name that no one has throws. */
export function runOffset(name: string): number {
  return find(name).offset
}

/**
 * Typed access to the members of a vCPU's kvm_run page (KVM API, section 5), by the kernel's names.
 *
 * Views that users get are of another ArrayBuffer over the same page: they may do with it what they like, transfer() too,
 * and the library still reads its own.
 */
export class RunPage {
  readonly data: DataView
  readonly #open: () => ArrayBuffer
  #shown: ArrayBuffer | undefined

  /** `open` makes an ArrayBuffer over the page. */
  constructor(open: () => ArrayBuffer) {
    this.#open = open
    this.data = new DataView(open())
  }

  /** A live view for a user. */
  view(offset: number, length: number): Uint8Array {
    return new Uint8Array(this.#toShow(), offset, length)
  }

  /** A copy. */
  bytes(offset: number, length: number): Uint8Array {
    return new Uint8Array(this.data.buffer, offset, length).slice()
  }

  /** A member as a number, or a bigint when it has 64 bits; 0 where this architecture has no such member. */
  get(name: string): number | bigint {
    const { offset, width } = this.#member(name)
    if (width === 8) return this.data.getBigUint64(offset, true)
    if (width === 4) return this.data.getUint32(offset, true)
    if (width === 2) return this.data.getUint16(offset, true)
    return width === 1 ? this.data.getUint8(offset) : 0
  }

  /** A member that has 32 bits or fewer. */
  number(name: string): number {
    return Number(this.get(name))
  }

  /** A member as 64 bits, whatever its width. */
  word(name: string): bigint {
    return BigInt(this.get(name))
  }

  /** Writes a member after checking that the value fits it. `name` is for messages. */
  set(field: string, name: string, value: unknown): void {
    const { offset, width } = this.#member(field)
    if (width === 8) this.data.setBigUint64(offset, checkUint64(name, value), true)
    else if (width === 4) this.data.setUint32(offset, checkInteger(name, value, 0, 0xffff_ffff), true)
    else if (width === 1) this.data.setUint8(offset, checkInteger(name, value, 0, 0xff))
  }

  /** A live view of an array of 64-bit members, for a user. */
  words(name: string): BigUint64Array {
    const { offset, count } = this.#member(name)
    return new BigUint64Array(this.#toShow(), offset, count)
  }

  /** The first `count` words of an array, copied. */
  copyWords(name: string, count = Infinity): bigint[] {
    const { offset, count: all } = this.#member(name)
    return Array.from(new BigUint64Array(this.data.buffer, offset, Math.min(count, all)))
  }

  /** An exit's member can be read when the vCPU has been closed: then there is no page. */
  #member(name: string): Place {
    if (this.data.buffer.byteLength === 0) {
      throw new KvmError('ERR_KVM_CLOSED', 'the vCPU of this exit has been closed', { operands: { member: name } })
    }
    return find(name)
  }

  #toShow(): ArrayBuffer {
    if (this.#shown === undefined || this.#shown.byteLength === 0) this.#shown = this.#open()
    return this.#shown
  }
}
