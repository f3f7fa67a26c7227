import { checkUint64, invalidArgument } from '../validate.js'
import type { Calls } from './calls.js'
import type { Execution } from './execution.js'
import { kvm_one_reg } from './generated/common.js'
import { readList } from './list.js'

/** A vCPU's state register by register: all of it on arm64, some on x86_64 from Linux 6.18 on. */
export interface OneRegCalls {
  /** KVM_GET_ONE_REG. A register of up to 64 bits is a bigint, a larger one (SIMD, SVE) its bytes. */
  getOneReg(id: bigint): bigint | Uint8Array
  /** KVM_SET_ONE_REG. */
  setOneReg(id: bigint, value: bigint | Uint8Array): void
  /** KVM_GET_REG_LIST: the ids of the registers that make up this vCPU's state. */
  getRegList(): bigint[]
}

/** The bytes of a register, which its id says (KVM_REG_SIZE). */
const registerSize = (id: bigint): number => 1 << Number((id >> 52n) & 0xfn)

export const oneRegCalls: Calls<OneRegCalls, Execution> = {
  getOneReg(vcpu, id) {
    const bytes = new Uint8Array(registerSize(checkUint64('id', id)))
    vcpu.settle()
    vcpu.fd.ioctl('KVM_GET_ONE_REG', kvm_one_reg.bytes({ id }), { id }, bytes)
    if (bytes.length > 8) return bytes
    return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
  },
  setOneReg(vcpu, id, value) {
    const bytes = registerBytes(registerSize(checkUint64('id', id)), value)
    vcpu.change(() => {
      vcpu.fd.ioctl('KVM_SET_ONE_REG', kvm_one_reg.bytes({ id }), { id }, bytes)
    })
  },
  getRegList(vcpu) {
    vcpu.checkOutside()
    const { data, count } = readList(vcpu.fd, 'KVM_GET_REG_LIST', { header: 8, entrySize: 8 }, 512)
    return Array.from({ length: count }, (_, index) => data.getBigUint64(8 + index * 8, true))
  },
}

function registerBytes(size: number, value: unknown): Uint8Array {
  if (value instanceof Uint8Array) {
    if (value.length !== size) throw invalidArgument('value', value, `${size} bytes`)
    return Uint8Array.from(value)
  }
  if (typeof value !== 'bigint' || value < 0n || size > 8 || value >= 1n << BigInt(size * 8)) {
    throw invalidArgument('value', value, size > 8 ? `${size} bytes` : `a bigint of ${size * 8} bits`)
  }
  return Uint8Array.from({ length: size }, (_, index) => Number((value >> BigInt(index * 8)) & 0xffn))
}
