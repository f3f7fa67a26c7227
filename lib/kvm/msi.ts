import { PHYSICAL_ADDRESS_END } from '../memory/accessors.js'
import { checkInteger, checkOptions } from '../validate.js'
import type { Fd } from './fd.js'
import { kvm_msi, KVM_MSI_VALID_DEVID } from './generated/common.js'

/** A message-signalled interrupt: on x86 the address names the local APIC, the data the vector. */
export interface Msi {
  /** Guest physical address that the device would write to. */
  address: number
  /** The 32 bits that it would write. */
  data: number
  /** Who writes, for the interrupt translation service of an arm64 GIC (KVM_CAP_MSI_DEVID). x86 ignores it. */
  devid?: number
}

export const MSI_MEMBERS = ['address', 'data', 'devid'] as const
const MAX_UINT32 = 0xffff_ffff

/** The members that the structs of an MSI have in common, and the flags of both. */
export function msiWords(
  name: string,
  { address, data, devid }: Record<string, unknown>,
): Pick<kvm_msi, 'address_lo' | 'address_hi' | 'data' | 'devid' | 'flags'> {
  const checked = checkInteger(`${name}.address`, address, 0, PHYSICAL_ADDRESS_END - 1)
  return {
    address_lo: checked % 2 ** 32,
    address_hi: Math.floor(checked / 2 ** 32),
    data: checkInteger(`${name}.data`, data, 0, MAX_UINT32),
    devid: devid === undefined ? 0 : checkInteger(`${name}.devid`, devid, 0, MAX_UINT32),
    flags: devid === undefined ? 0 : KVM_MSI_VALID_DEVID,
  }
}

/** KVM_SIGNAL_MSI: whether the guest took the interrupt. */
export function signalMsi(fd: Fd, msi: Msi): boolean {
  const words = msiWords('msi', checkOptions('msi', msi, MSI_MEMBERS))
  return fd.ioctl('KVM_SIGNAL_MSI', kvm_msi.bytes(words), { ...msi }) > 0
}
