import type { Command } from 'commander'
import { Machine } from '../machine/index.js'
import type { Beginning } from './live-guest.js'
import { runGuest } from './run-guest.js'
import type { RunOptions } from './run-options.js'
import { bootSource } from './run-source.js'
import { checkSource } from './source-options.js'

/** `node-kvm run`: boots what the command line names, to its end. */
export async function bootGuest(positional: string | undefined, options: RunOptions, command: Command): Promise<void> {
  const file = checkSource(positional, options, command)
  const { cpus, memory, reboot, snapshotTo } = options
  const isFirmware = file.kind === 'firmware'
  const beginning = {
    firmwareLog: isFirmware,
    // Firmware looks nowhere else.
    transport: isFirmware ? 'pci' : 'mmio',
    create: (devices, virtio) =>
      Machine.create({
        ...{ cpus, memory, devices, onReset: reboot ? 'boot' : 'end' },
        boot: virtio.before(bootSource(file, options, command)),
        // So that the guest hardly stops for it.
        ...(snapshotTo === undefined ? {} : { backing: 'memfd' }),
      }),
  } satisfies Beginning
  await runGuest(beginning, options, command)
}
