// Lesson 18, copy-engine: a device that copies memory for its guest, and interrupts when it is done
import { fileURLToPath } from 'node:url'
import { DebugConsole } from 'node-kvm/devices'
import { describeOutcome, flat, Machine } from 'node-kvm/machine'

import { CopyEngine } from './devices/copy-engine.js'

using machine = await Machine.create({
  memory: '16M',
  boot: flat({
    image: fileURLToPath(new URL('guests/copy-engine.bin', import.meta.url)),
    address: 0x1000,
    mode: 'real',
  }),
  // A device and what it needs: the machine finds it a place, and keeps it over resets.
  devices: [
    {
      name: 'copier',
      device: ({ memory, interrupt }) => new CopyEngine(memory, interrupt()),
      resources: [{ memory: 0xd000_0000, length: 0x18 }, { gsi: 5 }],
      acpi: { hid: 'NKVM0001' }, // a guest that reads ACPI tables finds it there
    },
    {
      name: 'console',
      device: new DebugConsole({ output: (bytes) => process.stdout.write(bytes) }),
      resources: [{ port: 0xe9, length: 1 }],
    },
  ],
})

const outcome = await machine.run({ timeout: 60_000 })
console.log(`host:  ${outcome.kind === 'exit' ? `the guest is done: ${outcome.value}` : describeOutcome(outcome)}`)
