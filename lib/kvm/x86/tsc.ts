import { checkInteger } from '../../validate.js'
import type { Fd } from '../fd.js'

// The guest's time stamp counter, of a VM and of a vCPU.

/** KVM_GET_TSC_KHZ. */
export const getTscKhz = (fd: Fd): number => fd.ioctl('KVM_GET_TSC_KHZ')

/** KVM_SET_TSC_KHZ. */
export function setTscKhz(fd: Fd, khz: number): void {
  fd.ioctl('KVM_SET_TSC_KHZ', checkInteger('khz', khz, 0, 0xffff_ffff), { khz })
}
