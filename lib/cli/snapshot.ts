import type { Command } from 'commander'
import type { Snapshot } from '../machine/index.js'

/** `node-kvm snapshot`: looks at what `node-kvm run --snapshot-to` wrote. */
export function addSnapshot(program: Command): void {
  const snapshot = program.command('snapshot').description('Look at a snapshot, or make it stand on no other.')
  const add = (name: string, description: string, use: (opened: Snapshot, target: string) => Promise<void>) => {
    const command = snapshot.command(name).description(description).argument('<directory>', 'the snapshot')
    if (name === 'flatten') command.argument('<target>', 'the new one')
    command.option('--json', 'print errors as JSON').action(async (directory: string, target: string) => {
      const { Snapshot } = await import('../machine/index.js')
      const opened = await Snapshot.open(directory)
      try {
        await use(opened, target)
      } finally {
        await opened.close()
      }
    })
  }
  add('info', 'Say what is in it, as JSON.', ({ info, state }) => {
    const devices = state.devices.map(({ name }) => name)
    console.log(JSON.stringify({ ...info, cpus: state.shape.cpus, devices }, undefined, 2))
    return Promise.resolve()
  })
  add('verify', 'Read all of it, and compare it with its checksums.', (opened) => opened.verify())
  add('flatten', 'Write one that has all pages and stands on no other.', (opened, target) => opened.flatten(target))
}
