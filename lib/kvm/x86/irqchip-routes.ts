import type { GsiRoute } from '../gsi-route.js'

const ISA_LINES = 16
const IOAPIC_PINS = 24
const PIC_INPUTS = 8

/** What KVM_CREATE_IRQCHIP makes: the first 16 lead to the 8259s, too (KVM API, KVM_CREATE_IRQCHIP). */
export function irqchipRoutes(): GsiRoute[] {
  return Array.from({ length: IOAPIC_PINS }, (_, gsi): GsiRoute[] => {
    const ioapic = { gsi, type: 'irqchip', irqchip: 'ioapic', pin: gsi } as const
    if (gsi >= ISA_LINES) return [ioapic]
    const irqchip = gsi < PIC_INPUTS ? 'pic-master' : 'pic-slave'
    return [ioapic, { gsi, type: 'irqchip', irqchip, pin: gsi % PIC_INPUTS }]
  }).flat()
}
