// Lesson 18, copy-engine: a device that copies memory for its guest, and interrupts when it is done
import { CopyEngine } from './devices/copy-engine.js'
import { guestMachine, howItEnded } from './shared/guest-machine.js'

// A device and what it needs: the machine finds it a place, and keeps it over resets.
using machine = await guestMachine('copy-engine', [
  {
    name: 'copier',
    device: ({ memory, interrupt }) => new CopyEngine(memory, interrupt()),
    resources: [{ memory: 0xd000_0000, length: 0x18 }, { gsi: 5 }],
    acpi: { hid: 'NKVM0001' }, // a guest that reads ACPI tables finds it there
  },
])
console.log(`host:  ${howItEnded(await machine.run({ timeout: 60_000 }))}`)
