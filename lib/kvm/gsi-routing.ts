import { PHYSICAL_ADDRESS_END } from '../memory/accessors.js'
import { checkInteger, checkOneOf, checkOptions, invalidArgument } from '../validate.js'
import type { Fd } from './fd.js'
import { KVM_IRQ_ROUTING_IRQCHIP, KVM_IRQ_ROUTING_MSI, kvm_irq_routing_entry, kvm_msi } from './generated/common.js'
import { IRQCHIPS } from './irqchip.js'
import { listBytes } from './list.js'
import type { Patch } from './struct.js'

/** A message-signalled interrupt: on x86 the address names the local APIC, the data the vector. */
export interface Msi {
  /** Guest physical address that the device would write to. */
  address: number
  /** The 32 bits that it would write. */
  data: number
}

/** Where a GSI leads, struct kvm_irq_routing_entry (KVM API, KVM_SET_GSI_ROUTING). */
export type GsiRoute =
  | { gsi: number; type: 'irqchip'; irqchip: 'pic-master' | 'pic-slave' | 'ioapic'; pin: number }
  | ({ gsi: number; type: 'msi' } & Msi)

const HEADER = 8
const MAX_UINT32 = 0xffff_ffff

function msiWords(name: string, address: unknown, data: unknown): Patch<kvm_msi> {
  const checked = checkInteger(`${name}.address`, address, 0, PHYSICAL_ADDRESS_END - 1)
  return {
    address_lo: checked % 2 ** 32,
    address_hi: Math.floor(checked / 2 ** 32),
    data: checkInteger(`${name}.data`, data, 0, MAX_UINT32),
  }
}

function routingEntry(route: GsiRoute): Patch<kvm_irq_routing_entry> {
  const members = checkOptions('route', route, ['gsi', 'type', 'irqchip', 'pin', 'address', 'data'])
  const gsi = checkInteger('route.gsi', members['gsi'], 0, MAX_UINT32)
  if (checkOneOf('route.type', members['type'], ['irqchip', 'msi']) === 'msi') {
    const msi = msiWords('route', members['address'], members['data'])
    return { gsi, type: KVM_IRQ_ROUTING_MSI, u: { msi } }
  }
  const irqchip = IRQCHIPS.indexOf(checkOneOf('route.irqchip', members['irqchip'], IRQCHIPS))
  const pin = checkInteger('route.pin', members['pin'], 0, MAX_UINT32)
  return { gsi, type: KVM_IRQ_ROUTING_IRQCHIP, u: { irqchip: { irqchip, pin } } }
}

export function writeGsiRouting(fd: Fd, routes: readonly GsiRoute[]): void {
  if (!Array.isArray(routes)) throw invalidArgument('routes', routes, 'an array of GSI routes')
  const entries = (routes as readonly GsiRoute[]).map(routingEntry)
  const bytes = listBytes({ header: HEADER, entrySize: kvm_irq_routing_entry.size }, kvm_irq_routing_entry, entries)
  fd.ioctl('KVM_SET_GSI_ROUTING', bytes, { routes: entries.length })
}

/** KVM_SIGNAL_MSI: whether the guest took the interrupt. */
export function signalMsi(fd: Fd, msi: Msi): boolean {
  const { address, data } = checkOptions('msi', msi, ['address', 'data'])
  return fd.ioctl('KVM_SIGNAL_MSI', kvm_msi.bytes(msiWords('msi', address, data)), { ...msi }) > 0
}
