import type { PlacedHardware, Trigger } from './node.js'

// The lines of a PC's interrupt controllers. What KVM is told of their routes, and a guest by the MADT, the MP table and the
// 8259s' ELCR, all comes from here.

/** Lines of the ISA bus, the first GSIs; and all lines, the I/O APIC's pins. */
export const ISA_IRQS = 16
export const GSI_COUNT = 24
/** Of one 8259. */
export const PIC_INPUTS = 8

const TIMER_IRQ = 0
/** Of the I/O APIC. */
const TIMER_PIN = 2
/** Where the second 8259 comes into the first one: no line. */
const CASCADE_IRQ = 2

/** Where a line leads. */
export interface LineRoute {
  gsi: number
  /** The input of the I/O APIC, and so the number that ACPI has for it. */
  pin: number
  /** Whether it is one of the ISA bus, which lead to the 8259s, too: to the input of the same number. */
  isa: boolean
}

/** All lines. The timer's arrives at the I/O APIC's third input, as on every PC, since IRQ 2 is the cascade of the 8259s. */
export const LINES: readonly LineRoute[] = Array.from({ length: GSI_COUNT }, (_, gsi) => ({
  gsi,
  pin: pinOf(gsi),
  isa: gsi < ISA_IRQS,
})).filter(({ gsi }) => gsi !== CASCADE_IRQ)

export function pinOf(gsi: number): number {
  return gsi === TIMER_IRQ ? TIMER_PIN : gsi
}

/** How a line is triggered unless its device says otherwise. */
export function usualTrigger(gsi: number): Trigger {
  return gsi < ISA_IRQS ? 'edge' : 'level'
}

/** How a line is triggered with these devices at it. */
export function triggerOf(nodes: readonly PlacedHardware[], gsi: number): Trigger {
  for (const { resources } of nodes) {
    for (const resource of resources) if (resource.gsi === gsi) return resource.trigger
  }
  return usualTrigger(gsi)
}

/** The ISA lines that are not edge-triggered, a bit each: what the edge/level control registers of the 8259s hold. */
export function levelTriggeredIsaLines(nodes: readonly PlacedHardware[]): number {
  const levels = LINES.filter(({ gsi, isa }) => isa && triggerOf(nodes, gsi) === 'level')
  return levels.reduce((mask, { gsi }) => mask | (1 << gsi), 0)
}
