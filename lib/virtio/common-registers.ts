import { type AddressName, AREAS } from './queue-registers.js'
import type { Transport } from './transport.js'

/** What a register does. */
export interface Access {
  read?: () => number
  write?: (value: number) => unknown
}

/**
 * The registers that every transport has, at places and under names of its own: what they do. Those of a queue are of the selected
 * one; where there is none, they read as zero. `reset` is that of the whole transport.
 */
export function commonRegisters(transport: Transport, reset: () => void | Promise<void>) {
  const { agreed } = transport
  return {
    deviceFeatures: { read: () => agreed.deviceFeatures },
    deviceSelect: { read: () => agreed.deviceSelect, write: (value: number) => (agreed.deviceSelect = value) },
    driverFeatures: { read: () => agreed.driverFeatures, write: (value: number) => (agreed.driverFeatures = value) },
    driverSelect: { read: () => agreed.driverSelect, write: (value: number) => (agreed.driverSelect = value) },
    status: {
      read: () => agreed.status,
      write: (value: number) => (value === 0 ? reset() : transport.setStatus(value)),
    },
    generation: { read: () => transport.generation },
    queueSelect: { read: () => transport.queueSelect, write: (value: number) => (transport.queueSelect = value) },
    queueSize: { read: () => transport.queue?.size ?? 0, write: (value: number) => transport.queue?.setSize(value) },
    queueReady: { read: () => (transport.queue?.ready === true ? 1 : 0) },
    queueReset: {
      read: () => (transport.queue?.isResetting === true ? 1 : 0),
      write: (value: number) => {
        if (value === 1) transport.resetQueue()
      },
    },
  } satisfies Record<string, Access>
}

/**
 * The registers of where the parts of a queue are, two of 32 bits each: by the name and the offset of each pair, and what is added
 * to the name for its low and its high one.
 */
export function addressRegisters(
  transport: Transport,
  pairs: Readonly<Record<AddressName, readonly [name: string, offset: number]>>,
  suffixes: readonly [low: string, high: string],
): [name: string, offset: number, access: Required<Access>][] {
  const one = (area: AddressName, half: 0 | 1): [string, number, Required<Access>] => {
    const [name, offset] = pairs[area]
    const read = () => transport.queue?.address(area, half) ?? 0
    const write = (value: number) => transport.queue?.setAddress(area, half, value)
    return [name + suffixes[half], offset + 4 * half, { read, write }]
  }
  return AREAS.flatMap((area) => [one(area, 0), one(area, 1)])
}
