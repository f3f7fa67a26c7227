// What a snapshot says of each virtio device is checked as what its guest says: none of it is taken when a part of it is wrong.
import { expect, test } from 'vitest'
import { expectRefusal } from '../../thrown.js'
import { damages } from '../devices/damage.js'
import { FUZZED } from './fuzz-devices.js'
import { mmioTarget, pciTarget } from './fuzz-targets.js'

/** A queue that has not begun stands nowhere, and a device without a state of its own is as new. */
const OPTIONAL = /^(device|queues\.\d+\.ring)$/
const isThere = (state: unknown, path: string) =>
  path.split('.').reduce<unknown>((inside, member) => (inside as Record<string, unknown>)[member], state) !== undefined

const table = Object.entries(FUZZED).flatMap(([name, [make]]) => [
  [name, 'mmio', () => mmioTarget(make())] as const,
  [name, 'pci', () => pciTarget(make())] as const,
])

test.each(table)(
  '%s over %s: a member that is missing or of another type is refused',
  async (_name, _transport, make) => {
    const target = make()
    await target.start()
    await target.pause()
    const before = target.save()
    for (const { path, state } of damages(before)) {
      if (OPTIONAL.test(path) && !isThere(state, path)) continue
      const error = expectRefusal(() => {
        target.restore(state as object)
      }, 'ERR_KVM_INVALID_STATE')
      expect([path, error.message, target.save()]).toEqual([path, error.message, before])
    }
  },
)
