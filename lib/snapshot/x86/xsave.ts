import { KvmError } from '../../errors.js'
import { KVM_MAX_XCRS, kvm_xsave } from '../../kvm/generated/x86.js'
import type { Vcpu } from '../../kvm/vcpu.js'
import type { StateReader } from '../../state.js'

/** More than the area of any processor: the tiles of AMX make it 11,008 bytes. */
const MOST = 2 ** 16

export function readXsave(reader: StateReader): Uint8Array {
  return reader.bytes('xsave', MOST, kvm_xsave.size)
}

/** The standard format has every component in its place, whatever processor it is: a host with fewer of them has a shorter area. */
export function restoreXsave(vcpu: Vcpu, area: Uint8Array): void {
  const { length } = vcpu.getXsave()
  if (area.subarray(length).some((byte) => byte !== 0)) {
    throw new KvmError('ERR_KVM_UNSUPPORTED', `it has components beyond the ${length} bytes that this host keeps`, {
      operands: { length: area.length, expected: length },
    })
  }
  const fitting = new Uint8Array(length)
  fitting.set(area.subarray(0, length))
  vcpu.setXsave(fitting)
}

/** The extended control registers by number. */
export interface SavedXcr {
  xcr: number
  value: string
}

export function readXcrs(reader: StateReader): [xcr: number, value: bigint][] {
  return reader.parts('xcrs', KVM_MAX_XCRS).map((xcr) => [xcr.integer('xcr', 0xffff_ffff), xcr.uint64('value')])
}
