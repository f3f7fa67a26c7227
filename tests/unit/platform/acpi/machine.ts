import { type AcpiOptions, type PlacedHardware, Platform } from '../../../../lib/platform/index.js'

export const POWER: PlacedHardware = {
  name: 'power',
  resources: [
    { port: 0x600, length: 0x14 },
    { gsi: 9, trigger: 'level' },
  ],
  acpi: { fixed: { event: 0, control: 4, timer: 8, reset: { offset: 12, value: 6 }, sleepTypes: { s3: 1, s5: 5 } } },
}

const serial = (port: number, gsi: number, uid: number) => ({
  name: `serial${uid - 1}`,
  resources: [{ port, length: 8 }, { gsi }],
  acpi: { hid: 'PNP0501', name: `COM${uid}`, uid },
})

/** A platform with every kind of device and resource. */
export function fullPlatform(): Platform {
  const platform = new Platform()
  platform.addAll([
    POWER,
    serial(0x3f8, 4, 1),
    serial(0x2f8, 3, 2),
    serial(0x3e8, 4, 3),
    serial(0x2e8, 3, 4),
    { name: 'rtc', resources: [{ port: 0x70, length: 2 }, { gsi: 8 }], acpi: { hid: 'PNP0B00', name: 'RTC' } },
    {
      name: 'keyboard',
      resources: [{ port: 0x60, length: 1 }, { port: 0x64, length: 1, offset: 4 }, { gsi: 1 }],
      acpi: { hid: 'PNP0303', name: 'KBD' },
    },
    { name: 'pvpanic', resources: [{ port: 0x505, length: 1 }], acpi: { hid: 'QEMU0001', name: 'PEVT' } },
    {
      name: 'hpet',
      resources: [{ memory: 0xfed0_0000, length: 0x400 }],
      acpi: { hid: 'PNP0103', name: 'HPET', hpet: { id: 0x8086_a201, minimumTick: 0x80 } },
    },
    // Of a user's own.
    {
      name: 'copy-engine',
      resources: [
        { memory: 'any', length: 0x1000 },
        { gsi: 'any', trigger: 'edge' },
        { gsi: 'any' },
        { port: 'any', length: 16 },
      ],
      acpi: { hid: 'LNRO0005', uid: 0 },
    },
    { name: 'far', resources: [{ memory: 2 ** 40, length: 2 ** 33 }, { gsi: 17 }], acpi: { hid: 'NKVM0001' } },
    // Nobody is told of these.
    { name: 'open-bus', resources: [{ port: 0xcf8, length: 8 }], yields: true },
    {
      name: 'scratch',
      resources: [
        { port: 'any', length: 0x200 },
        { gsi: 5, trigger: 'level' },
      ],
    },
  ])
  return platform
}

/** A machine with all of that. */
export const MACHINE: AcpiOptions = {
  apicIds: [0, 1, 2, 3],
  ioApic: { id: 4, address: 0xfec0_0000 },
  nodes: fullPlatform().nodes,
  centuryRegister: 0x32,
}
