import { expect } from 'vitest'

import { expectRefusal } from '../../thrown.js'
import { GIB, ram, type SparseMemory } from './sparse-memory.js'

/** Holds that a loader refuses an image for this field, at this offset, and has not written a byte. */
export function expectImageError(
  load: (memory: SparseMemory) => unknown,
  field: string,
  offset: number | undefined,
  message = /./,
  memory: SparseMemory = ram(GIB),
): void {
  const error = expectRefusal(() => load(memory), 'ERR_KVM_BOOT_IMAGE', message)
  expect([error.operands['field'], error.operands['offset']]).toEqual([field, offset])
  expect(error.message).toContain(field)
  expect(memory.touched).toBe(0)
}
