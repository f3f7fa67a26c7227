import { Machine } from '../machine/index.js'
import { type BootOnceOptions, checkBootOnceOptions, MAX_TIMEOUT } from './options.js'
import { Watch } from './watch.js'
import { WarmGuest } from './warm-guest.js'
import { WatchedConsole } from './watched-console.js'

/**
 * Boots a machine until its guest is ready, and keeps it as it is then. Each test gets a fork of it: {@link WarmGuest.fork}.
 *
 * Rejects with `ERR_KVM_GUEST_FAILED` when the guest panics, dies otherwise or is not ready in time, with `ERR_KVM_GUEST_ENDED` when it ends before.
 */
export async function bootOnce(options: BootOnceOptions): Promise<WarmGuest> {
  const checked = checkBootOnceOptions(options)
  const { machine: describe, ready, bootTimeout, failures, keep, symbols } = checked
  const console = new WatchedConsole(failures, { keep })
  const machine = await Machine.create({ backing: 'memfd', onReset: 'end', ...describe(console) })
  try {
    const watch = new Watch(machine, console, { timeout: bootTimeout, symbols })
    return await watch.during(async () => {
      const { before, match } = await console.expect(ready, { timeout: MAX_TIMEOUT })
      await machine.pause()
      const template = await machine.freeze()
      // What came between the ready text and the freeze is of the forks: how fast the host was makes no difference.
      const { match: since } = await console.expect(/[^]*/)
      return new WarmGuest(template, checked, { bootText: before + match, since })
    })
  } finally {
    machine.close()
  }
}
