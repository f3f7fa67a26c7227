import type { Bus } from '../../bus/bus.js'
import * as PM from '../../devices/acpi-pm-registers.js'
import type { PlacedHardware } from '../../platform/node.js'
import { PNP_RTC, PNP_SERIAL_16550A, PVPANIC } from '../../platform/pnp-ids.js'
import * as P from './platform.js'

// Not the keyboard: its controller is there for firmware and to reset, nobody presses keys, and to look for it takes long.
const CHIPSET: readonly PlacedHardware[] = [
  {
    name: 'power',
    resources: [
      { port: P.PM_PORT, length: PM.ACPI_PM_LENGTH },
      { gsi: P.SCI_GSI, trigger: 'level' },
    ],
    acpi: {
      fixed: {
        event: PM.PM1_STATUS,
        control: PM.PM1_CONTROL,
        timer: PM.PM_TIMER,
        reset: { offset: PM.RESET, value: PM.RESET_VALUE },
        sleepTypes: { s5: PM.SLEEP_TYPE_S5 },
      },
    },
  },
  {
    name: 'rtc',
    resources: [
      { port: P.RTC_PORT, length: P.RTC_LENGTH },
      { gsi: P.RTC_GSI, trigger: 'edge' },
    ],
    acpi: { hid: PNP_RTC, name: 'RTC' },
  },
  { name: 'pvpanic', resources: [{ port: P.PVPANIC_PORT, length: 1 }], acpi: { hid: PVPANIC, name: 'PEVT' } },
]

/** What the guest is told of: the chipset, and the serial lines that are there. */
export function nodesOf(ports: Bus): PlacedHardware[] {
  const present = ports.mappings.filter(({ yields }) => !yields).map(({ start }) => start)
  const serial = P.SERIAL_LINES.flatMap(({ port, gsi }, index): PlacedHardware[] => {
    if (!present.includes(port)) return []
    const uid = index + 1
    return [
      {
        name: `serial${index}`,
        resources: [
          { port, length: P.SERIAL_LENGTH },
          { gsi, trigger: 'edge' },
        ],
        acpi: { hid: PNP_SERIAL_16550A, name: `COM${uid}`, uid },
      },
    ]
  })
  return [...CHIPSET, ...serial]
}
