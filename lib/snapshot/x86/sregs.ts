import type { Sregs2 } from '../../kvm/registers.js'
import type { Vcpu } from '../../kvm/vcpu.js'
import { whereThere } from '../on-this-host.js'

/**
 * The special registers, as KVM_GET_SREGS2 has them; without page-directory pointers on a kernel that does not know it (before Linux
 * 5.14), which reads them from the guest's memory. KVM_GET_SREGS has the pending interrupt besides, which is among the events, too.
 */
export function saveSregs(vcpu: Vcpu): Sregs2 {
  const sregs2 = whereThere(() => vcpu.getSregs2())
  if (sregs2 !== undefined) return sregs2
  const { interrupt_bitmap: _, ...sregs } = vcpu.getSregs()
  return { ...sregs, flags: 0n, pdptrs: [0n, 0n, 0n, 0n] }
}

export function restoreSregs(vcpu: Vcpu, sregs: Sregs2): void {
  if (whereThere(() => vcpu.getSregs2()) !== undefined) {
    vcpu.setSregs2(sregs)
    return
  }
  const { flags: _, pdptrs: __, ...older } = sregs
  vcpu.setSregs({ ...older, interrupt_bitmap: [0n, 0n, 0n, 0n] })
}
