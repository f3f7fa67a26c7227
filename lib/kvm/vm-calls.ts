import { checkBoolean, checkInteger } from '../validate.js'
import type { Calls } from './calls.js'
import type { CapabilityName } from './capabilities.js'
import { type DeviceAttrCalls, getDeviceAttr, hasDeviceAttr, setDeviceAttr } from './device-attr.js'
import { DeviceFd } from './device-fd.js'
import { enableCap } from './enable-cap.js'
import { errnoName } from './fd.js'
import { kvm_create_device, kvm_irq_level, KVM_CREATE_DEVICE_TEST } from './generated/common.js'
import { irqchipRoutes } from './architecture.js'
import type { GsiRoute } from './gsi-route.js'
import { type VmMemoryCalls, vmMemoryCalls } from './memory-calls.js'
import { type Msi, signalMsi } from './msi.js'
import { openStatsFd, type StatsFd } from './stats-fd.js'
import type { VmInside } from './vm-inside.js'

/** What a VM has on every architecture. */
export interface VmCalls extends DeviceAttrCalls, VmMemoryCalls {
  /**
   * KVM_ENABLE_CAP: switches a capability on for this VM; `args` is what it wants, up to four numbers. Most must come before the
   * first vCPU; the KVM API, section 7, says which, and what their arguments mean.
   */
  enableCap(capability: CapabilityName, ...args: (number | bigint)[]): void
  /** KVM_CREATE_IRQCHIP: an interrupt controller in the kernel (x86: PICs, I/O APIC, local APICs). Before any vCPU. */
  createIrqchip(): void
  /** KVM_CREATE_DEVICE: KVM_DEV_TYPE_*. */
  createDevice(type: number): DeviceFd
  /** KVM_CREATE_DEVICE, with KVM_CREATE_DEVICE_TEST: whether createDevice() knows that type here. */
  hasDevice(type: number): boolean
  /** KVM_IRQ_LINE: sets an interrupt line of the in-kernel controller. */
  irqLine(gsi: number, level: boolean): void
  /** KVM_GET_STATS_FD: what KVM counts for this VM. */
  getStatsFd(): StatsFd
  /** KVM_SET_GSI_ROUTING: where each GSI leads. Replaces the whole table; `vm.gsiRoutes` changes parts of it. */
  setGsiRouting(routes: readonly GsiRoute[]): void
  /** KVM_SIGNAL_MSI: sends a message-signalled interrupt. Returns whether the guest took it. */
  signalMsi(msi: Msi): boolean
}

export const vmCalls: Calls<VmCalls, VmInside> = {
  ...vmMemoryCalls,
  enableCap({ fd, dirty }, capability, ...args) {
    enableCap(fd, capability, args)
    const rings = capability === 'KVM_CAP_DIRTY_LOG_RING' || capability === 'KVM_CAP_DIRTY_LOG_RING_ACQ_REL'
    if (rings) dirty.ringBytes = Number(args[0] ?? 0)
    if (capability === 'KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2') dirty.manualProtect = Number(args[0] ?? 0) !== 0
  },
  createIrqchip({ fd, gsiRoutes }) {
    fd.ioctl('KVM_CREATE_IRQCHIP')
    gsiRoutes.made(irqchipRoutes)
  },
  createDevice({ fd }, type) {
    const number = checkInteger('type', type, 0, 0xffff_ffff)
    return new DeviceFd(
      number,
      fd.createPart('KVM_CREATE_DEVICE', kvm_create_device.bytes({ type: number }), 'the device', { type }),
    )
  },
  hasDevice({ fd }, type) {
    const number = checkInteger('type', type, 0, 0xffff_ffff)
    const result = fd.tryCreate(
      'KVM_CREATE_DEVICE',
      kvm_create_device.bytes({ type: number, flags: KVM_CREATE_DEVICE_TEST }),
    )
    if (result === 0) return true
    if (errnoName(-result) !== 'ENODEV') throw fd.refusal('KVM_CREATE_DEVICE', -result, { type })
    return false
  },
  irqLine({ fd }, gsi, level) {
    const irq = checkInteger('gsi', gsi, 0, 0xffff_ffff)
    fd.set('KVM_IRQ_LINE', kvm_irq_level, { irq, level: checkBoolean('level', level) ? 1 : 0 }, { gsi, level })
  },
  getStatsFd: ({ fd }) => openStatsFd(fd),
  setGsiRouting({ gsiRoutes }, routes) {
    gsiRoutes.replace(routes)
  },
  signalMsi({ fd }, msi) {
    return signalMsi(fd, msi)
  },
  hasDeviceAttr: ({ fd }, attribute) => hasDeviceAttr(fd, attribute),
  getDeviceAttr: ({ fd }, attribute, length, given) => getDeviceAttr(fd, attribute, length, given),
  setDeviceAttr({ fd }, attribute, value) {
    setDeviceAttr(fd, attribute, value)
  },
}
