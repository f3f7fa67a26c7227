import type { Msix } from './msix.js'
import type { PciBar, PciCapability } from './pci-device.js'
import { MSIX_ENABLE, MSIX_FUNCTION_MASK, MSIX_ID } from './registers.js'

// Message Control, Table Offset/BIR and PBA Offset/BIR (PCI 3.0, 6.8.2.3 to 6.8.2.5).
const LENGTH = 10
const TABLE = 2
const PENDING = 6

/** The BAR with the table, of its own: so a guest can map it apart from the function's registers. */
export const tableBar = (msix: Msix): PciBar => ({ kind: 'memory', length: msix.length, device: msix })

export function msixCapability({ count, pendingAt }: Msix, bar: number): PciCapability {
  const view = new DataView(new ArrayBuffer(LENGTH))
  view.setUint16(0, count - 1, true)
  view.setUint32(TABLE, bar, true)
  view.setUint32(PENDING, pendingAt | bar, true)
  const writable = new Uint8Array(LENGTH)
  new DataView(writable.buffer).setUint16(0, MSIX_ENABLE | MSIX_FUNCTION_MASK, true)
  return { id: MSIX_ID, bytes: new Uint8Array(view.buffer), writable }
}
