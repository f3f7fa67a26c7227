import { hex } from '../format.js'
import type { DeviceMemory } from '../memory/device-memory.js'
import { driverFault } from './driver-fault.js'

// What both kinds of rings have in common (virtio 1.2, 2.7.5 and 2.8.13).
export const DESCRIPTOR_SIZE = 16
export const DESC_F_NEXT = 1
export const DESC_F_WRITE = 2
export const DESC_F_INDIRECT = 4

interface Area {
  /** What messages call it. */
  name: string
  at: number
  /** In bytes. */
  length: number
  alignment: number
}

/** That a part of a queue is where it may be. */
export function checkArea(memory: DeviceMemory, area: Area, access: 'read' | 'write' = 'read'): void {
  const { name, at, length, alignment } = area
  if (at % alignment !== 0) throw driverFault(`has put a ${name} at ${hex(at)}, which is not aligned`, { at })
  if (memory.slices(at, length, access) === undefined) {
    throw driverFault(`has put a ${name} at ${hex(at)}, where there is no memory for it`, { at, length })
  }
}

/** How many descriptors an indirect table of so many bytes has. No chain is longer than its queue (virtio 1.2, 2.7.5.3.1). */
export function tableLength(bytes: number, queueSize: number): number {
  const count = bytes / DESCRIPTOR_SIZE
  if (Number.isInteger(count) && count > 0 && count <= queueSize) return count
  throw driverFault(`has made an indirect table of ${bytes} bytes, in a queue of ${queueSize}`, { bytes })
}
