import { checkInteger, checkUint64 } from '../validate.js'
import { binding } from './binding.js'

const offsets = new Map((binding.layout['kvm_run']?.fields ?? []).map((field) => [field.name, field]))

/** The offset of a member of struct kvm_run, or 0 where this architecture has none. */
export function runOffset(name: string): number {
  return offsets.get(name)?.offset ?? 0
}

/** Typed access to the members of a vCPU's kvm_run page (KVM API, section 5), by the names of native/layout.cc. */
export class RunPage {
  readonly data: DataView
  readonly bytes: Uint8Array

  constructor(readonly buffer: ArrayBuffer) {
    this.data = new DataView(buffer)
    this.bytes = new Uint8Array(buffer)
  }

  /** A member as a number, or a bigint when it has 64 bits; 0 where this architecture has no such member. */
  get(name: string): number | bigint {
    const field = offsets.get(name)
    if (field === undefined) return 0
    if (field.width === 8) return this.data.getBigUint64(field.offset, true)
    if (field.width === 4) return this.data.getUint32(field.offset, true)
    return field.width === 2 ? this.data.getUint16(field.offset, true) : this.data.getUint8(field.offset)
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
    const { offset, width } = offsets.get(field) ?? { offset: 0, width: 0 }
    if (width === 8) this.data.setBigUint64(offset, checkUint64(name, value), true)
    else if (width === 4) this.data.setUint32(offset, checkInteger(name, value, 0, 0xffff_ffff), true)
    else if (width === 1) this.data.setUint8(offset, checkInteger(name, value, 0, 0xff))
  }

  /** A live view of an array of 64-bit members. */
  words(name: string): BigUint64Array {
    const field = offsets.get(name)
    return new BigUint64Array(this.buffer, field?.offset ?? 0, field?.count ?? 0)
  }

  /** The first `count` words of an array, copied. */
  copyWords(name: string, count = Infinity): bigint[] {
    const words = this.words(name)
    return Array.from(words.subarray(0, Math.min(count, words.length)))
  }
}
