import type { PciCapability } from '../pci/pci-device.js'
import * as R from './pci-registers.js'

/** Number, link, and the capability's fields. */
const PREFIX = 2
const WIDTHS: readonly number[] = [1, 2, 4]
const WINDOW = 4
const ALL_BITS = 0xff

/** Registers behind a BAR. */
export interface BarAccess {
  read(offset: number, data: Uint8Array): void | Promise<void>
  write(offset: number, data: Uint8Array): void | Promise<void>
}

/** By what a driver finds the parts of a virtio device (virtio 1.2, 4.1.4). */
export function virtioCapabilities(bar: BarAccess): PciCapability[] {
  return [
    capability(R.COMMON_CFG, R.COMMON, R.COMMON_LENGTH),
    capability(R.NOTIFY_CFG, R.NOTIFY, R.PART_LENGTH, R.NOTIFY_MULTIPLIER),
    capability(R.ISR_CFG, R.ISR, 1),
    capability(R.DEVICE_CFG, R.DEVICE, R.PART_LENGTH),
    window(bar),
  ]
}

function capability(kind: number, offset: number, length: number, extra?: number): PciCapability {
  const bytes = new Uint8Array(R.CAP_EXTRA + (extra === undefined ? 0 : WINDOW))
  const view = new DataView(bytes.buffer)
  view.setUint8(R.CAP_LENGTH, PREFIX + bytes.length)
  view.setUint8(R.CAP_KIND, kind)
  view.setUint8(R.CAP_BAR, R.BAR)
  view.setUint32(R.CAP_OFFSET, offset, true)
  view.setUint32(R.CAP_SIZE, length, true)
  if (extra !== undefined) view.setUint32(R.CAP_EXTRA, extra, true)
  return { id: R.VENDOR_CAPABILITY, bytes }
}

/**
 * Firmware that cannot reach BARs writes here which registers it means, and then reads or writes the window (4.1.4.9). Any value
 * may be written: an access that is not possible does nothing.
 */
function window(bar: BarAccess): PciCapability {
  const all = capability(R.PCI_CFG, 0, 0, 0)
  const { bytes } = all
  const view = new DataView(bytes.buffer)
  const writable = new Uint8Array(bytes.length)
  writable[R.CAP_BAR] = ALL_BITS
  writable.fill(ALL_BITS, R.CAP_OFFSET)
  const access = (isWrite: boolean) => (offset: number, length: number) => {
    if (offset + length <= R.CAP_EXTRA) return
    const [at, width] = [view.getUint32(R.CAP_OFFSET, true), view.getUint32(R.CAP_SIZE, true)]
    if (view.getUint8(R.CAP_BAR) !== R.BAR || !WIDTHS.includes(width)) return
    if (at % width !== 0 || at + width > R.BAR_LENGTH) return
    const data = bytes.subarray(R.CAP_EXTRA, R.CAP_EXTRA + width)
    return isWrite ? bar.write(at, data) : bar.read(at, data)
  }
  return { ...all, writable, reading: access(false), written: access(true) }
}
