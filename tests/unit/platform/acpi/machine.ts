import { acpiKeyboard, type AcpiOptions, acpiRtc, acpiSerial } from '../../../../lib/platform/index.js'

/** A machine with every kind of device and resource. */
export const MACHINE: AcpiOptions = {
  apicIds: [0, 1, 2, 3],
  ioApic: { id: 0, address: 0xfec0_0000 },
  sciGsi: 9,
  powerManagement: {
    eventPort: 0x600,
    controlPort: 0x604,
    timerPort: 0x608,
    powerOffType: 5,
    reset: { port: 0xcf9, value: 6 },
  },
  devices: [
    ...([1, 2, 3, 4] as const).map(acpiSerial),
    acpiRtc(),
    acpiKeyboard(),
    { name: 'PEVT', hid: 'QEMU0001', resources: [{ port: 0x505, length: 1 }] },
    {
      name: 'VIO0',
      hid: 'LNRO0005',
      uid: 0,
      resources: [
        { memory: 0xd000_0000, length: 0x1000 },
        { gsi: 20, trigger: 'edge' },
        { gsi: 21, trigger: 'level' },
      ],
    },
  ],
  centuryRegister: 0x32,
}
