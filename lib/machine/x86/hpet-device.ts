import { capabilities, HPET_ADDRESS, HPET_LENGTH, MINIMUM_TICK } from '../../devices/hpet-registers.js'
import { Hpet } from '../../devices/hpet.js'
import type { DeviceNode } from '../../platform/node.js'
import { PNP_HPET } from '../../platform/pnp-ids.js'

/** Inputs of the I/O APIC that nothing else has by custom. */
const LINES = [20, 21, 22] as const

/**
 * High precision event timers for a machine: for guests that want them, since kernels have better clocks in KVM. They do not
 * take the places of the PIT and the real-time clock.
 */
export function hpet(): DeviceNode {
  return {
    name: 'hpet',
    device: ({ interrupt, clock, schedule }) =>
      new Hpet({ lines: new Map(LINES.map((line, index) => [line, interrupt(index)])), clock, schedule }),
    resources: [{ memory: HPET_ADDRESS, length: HPET_LENGTH }, ...LINES.map((gsi) => ({ gsi }))],
    acpi: {
      ...{ hid: PNP_HPET, name: 'HPET', uid: 0 },
      hpet: { id: Number(capabilities(false) & 0xffff_ffffn), minimumTick: MINIMUM_TICK },
    },
  }
}
