import { checkBytes, checkInteger, checkPairs, checkUint64, invalidArgument } from '../../validate.js'
import type { Calls } from '../calls.js'
import type { Execution } from '../execution.js'
import { KVM_MAX_XCRS, kvm_xcrs, kvm_xsave } from '../generated/x86.js'

/** A vCPU's floating-point, vector and other extended state, as XSAVE keeps it. */
export interface XsaveCalls {
  /**
   * KVM_GET_XSAVE2, KVM_GET_XSAVE on older kernels: the XSAVE area in its standard format (Intel SDM volume 1, section 13.4):
   * 4,096 bytes, and more where `vm.check('KVM_CAP_XSAVE2')` says so.
   */
  getXsave(): Uint8Array
  /** KVM_SET_XSAVE: as many bytes as {@link XsaveCalls.getXsave} returns. */
  setXsave(area: Uint8Array): void
  /** KVM_GET_XCRS: the extended control registers by number: XCR0 says which state XSAVE keeps. */
  getXcrs(): Map<number, bigint>
  /** KVM_SET_XCRS. The kernel refuses state that the vCPU's CPUID does not have. */
  setXcrs(values: Iterable<readonly [number, bigint]>): void
}

/** How many bytes the area has here; undefined for a kernel that knows only the one size. */
function extendedSize(vcpu: Execution): number | undefined {
  const size = vcpu.check('KVM_CAP_XSAVE2')
  return size === 0 ? undefined : Math.max(size, kvm_xsave.size)
}

export const xsaveCalls: Calls<XsaveCalls, Execution> = {
  getXsave(vcpu) {
    vcpu.settle()
    const size = extendedSize(vcpu)
    const area = new Uint8Array(size ?? kvm_xsave.size)
    vcpu.fd.ioctl(size === undefined ? 'KVM_GET_XSAVE' : 'KVM_GET_XSAVE2', area)
    return area
  },
  setXsave(vcpu, area) {
    vcpu.checkOutside()
    const bytes = Uint8Array.from(checkBytes('area', area, extendedSize(vcpu) ?? kvm_xsave.size))
    vcpu.change(() => {
      vcpu.fd.ioctl('KVM_SET_XSAVE', bytes)
    })
  },
  getXcrs(vcpu) {
    vcpu.settle()
    const { nr_xcrs, xcrs } = vcpu.fd.get('KVM_GET_XCRS', kvm_xcrs)
    return new Map(xcrs.slice(0, nr_xcrs).map(({ xcr, value }) => [xcr, value]))
  },
  setXcrs(vcpu, values) {
    const pairs = checkPairs('values', values, '[XCR, value] pairs').map(([xcr, value]) => ({
      xcr: checkInteger('XCR', xcr, 0, 0xffff_ffff),
      value: checkUint64('XCR value', value),
    }))
    if (pairs.length > KVM_MAX_XCRS) throw invalidArgument('values', pairs, `at most ${KVM_MAX_XCRS} registers`)
    const unused = Array.from({ length: KVM_MAX_XCRS - pairs.length }, () => ({}))
    const bytes = kvm_xcrs.bytes({ nr_xcrs: pairs.length, xcrs: [...pairs, ...unused] })
    vcpu.change(() => {
      vcpu.fd.ioctl('KVM_SET_XCRS', bytes, { values: pairs })
    })
  },
}
