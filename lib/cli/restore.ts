import type { Command } from 'commander'
import { addGuestOptions } from './guest-options.js'
import type { GuestOptions } from './run-options.js'

/** `node-kvm restore`: a guest goes on from a snapshot, with its console on this terminal. */
export function addRestore(program: Command): void {
  const restore = program
    .command('restore')
    .summary('go on from a snapshot')
    .description(
      'Let a guest go on from a snapshot that `node-kvm run --snapshot-to` took, with its console on this terminal. ' +
        'Its devices are named again, in the same order: disks, network cards, --rng, --console.',
    )
    .argument('<directory>', 'the snapshot')
  addGuestOptions(restore)
    .addHelpText('after', '\nKeys and exit status are those of `node-kvm run`.')
    .action(async (directory: string, options: GuestOptions, command: Command) => {
      const { restoreGuest } = await import('./restore-guest.js')
      await restoreGuest(directory, options, command)
    })
}
