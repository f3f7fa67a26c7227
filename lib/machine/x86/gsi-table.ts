import type { GsiRoute } from '../../kvm/gsi-routing.js'
import * as P from './platform.js'

const PIC_INPUTS = 8

/**
 * Where a PC's interrupt lines lead: the 16 of the ISA bus to the 8259s and to the I/O APIC, the others to the I/O APIC alone.
 * The timer's arrives at the I/O APIC's pin 2, since IRQ 2 is the cascade of the 8259s and no line. The MADT and the MP
 * table say the same.
 */
export function gsiTable(): GsiRoute[] {
  const lines = Array.from({ length: P.GSI_COUNT }, (_, gsi) => gsi).filter((gsi) => gsi !== P.CASCADE_IRQ)
  return lines.flatMap((gsi): GsiRoute[] => [
    ...(gsi < P.ISA_IRQS ? [pic(gsi)] : []),
    { gsi, type: 'irqchip', irqchip: 'ioapic', pin: gsi === P.TIMER_IRQ ? P.TIMER_PIN : gsi },
  ])
}

const pic = (gsi: number): GsiRoute => ({
  gsi,
  type: 'irqchip',
  irqchip: gsi < PIC_INPUTS ? 'pic-master' : 'pic-slave',
  pin: gsi % PIC_INPUTS,
})
