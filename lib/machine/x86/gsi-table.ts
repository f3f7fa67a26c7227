import type { GsiRoute } from '../../kvm/gsi-route.js'
import { LINES, PIC_INPUTS } from '../../platform/interrupt-lines.js'

/** Where KVM is to lead the lines: what the guest's tables say, too. */
export function gsiTable(): GsiRoute[] {
  return LINES.flatMap(({ gsi, pin, isa }): GsiRoute[] => [
    ...(isa ? [pic(gsi)] : []),
    { gsi, type: 'irqchip', irqchip: 'ioapic', pin },
  ])
}

const pic = (gsi: number): GsiRoute => ({
  gsi,
  type: 'irqchip',
  irqchip: gsi < PIC_INPUTS ? 'pic-master' : 'pic-slave',
  pin: gsi % PIC_INPUTS,
})
