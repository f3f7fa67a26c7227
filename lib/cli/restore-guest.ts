import type { Command } from 'commander'
import { Machine, Snapshot } from '../machine/index.js'
import type { Beginning } from './live-guest.js'
import { runGuest } from './run-guest.js'
import type { GuestOptions } from './run-options.js'
import { FIRMWARE_LOG } from './run-source.js'

/** The device that a machine with PCI has. */
const PCI = 'pci'

/** `node-kvm restore`: a guest goes on from a snapshot, to its end. */
export async function restoreGuest(directory: string, options: GuestOptions, command: Command): Promise<void> {
  const snapshot = await Snapshot.open(directory)
  try {
    const saved = snapshot.state.devices
    const beginning = {
      firmwareLog: saved.some(({ name }) => name === FIRMWARE_LOG),
      transport: saved.some(({ name }) => name === PCI) ? 'pci' : 'mmio',
      create: async (devices, virtio) => {
        await virtio.open()
        return Machine.restore(snapshot, { devices })
      },
    } satisfies Beginning
    await runGuest(beginning, options, command)
  } finally {
    await snapshot.close()
  }
}
