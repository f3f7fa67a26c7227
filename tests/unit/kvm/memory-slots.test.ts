import { expect, test } from 'vitest'

import type { VmFd } from '../../../lib/kvm/fd.js'
import { MemorySlots } from '../../../lib/kvm/memory-slots.js'
import { GuestMemory } from '../../../lib/memory/guest-memory.js'
import { expectRefusal } from '../../thrown.js'

const PAGE = 4096

/** A VM's descriptor that has three memory slots, and remembers what is put into them. */
function threeSlots() {
  const taken = new Map<number, number>()
  const fd = {
    native: {
      setMemory(slot: number, _flags: number, at: number, size: number): number {
        if (size === 0) taken.delete(slot)
        else taken.set(slot, at)
        return 0
      },
    },
    checkOpen: () => undefined,
    checkExtension: () => 3,
    issued: () => undefined,
  } as unknown as VmFd
  return { slots: new MemorySlots(fd, new GuestMemory()), taken }
}

test('when every slot of the host is taken, that is said; a slot given up is used again', () => {
  const { slots, taken } = threeSlots()
  const regions = [0, 1, 2].map((index) => slots.add({ at: index * PAGE, size: PAGE }))
  expect([...taken.values()]).toEqual([0, PAGE, 2 * PAGE])
  const error = expectRefusal(
    () => slots.add({ at: 9 * PAGE, size: PAGE }),
    'ERR_KVM_MEMORY_LIMIT',
    /use fewer, larger/,
  )
  expect(error.operands).toEqual({ limit: 3 })
  slots.remove(regions[1]!)
  slots.add({ at: 9 * PAGE, size: PAGE })
  expect([...taken.entries()].sort()).toEqual([
    [0, 0],
    [1, 9 * PAGE],
    [2, 2 * PAGE],
  ])
})
