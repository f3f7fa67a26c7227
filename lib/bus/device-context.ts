import type { DeviceMemory } from '../memory/device-memory.js'
import type { Clock, Schedule } from './clock.js'
import type { HostEvent } from './host-event.js'
import type { InterruptLine } from './interrupt-line.js'

/** What a guest can do to its machine as a whole, by a register of a device. */
export interface MachineEffects {
  powerOff(): void
  /** `cause` names the register, for messages. */
  reset(cause: string): void
  /** `status` is what a process would end with, `value` what the guest wrote. */
  exit(status: number, value: number): void
  panic(): void
  /** The guest suspends to RAM: ACPI's S3. */
  suspend(): void
  /** Firmware, or a kernel, says how far it has come. */
  postCode(code: number): void
  /**
   * A device of that name does nothing any more until its driver has reset it, because of `error`: what the driver did, or the host.
   * The guest runs on.
   */
  needsReset(device: string, error: unknown): void
  /** The guest wrote to a console: for whoever watches. `bytes` is valid during the call only. */
  console(bytes: Uint8Array): void
}

/** A place that a guest writes to and does not wait. */
export interface Doorbell {
  /** Writes there reach the device as ordinary ones again. */
  close(): void
}

/** Whom a doorbell calls: JavaScript, or whoever waits for an event. */
export type DoorbellTarget = (() => void) | HostEvent

/** Rings it. */
export function ringOf(ring: DoorbellTarget): () => void {
  return typeof ring === 'function'
    ? ring
    : () => {
        ring.signal()
      }
}

/** Which writes ring a doorbell. */
export interface DoorbellOptions {
  /** The device's own. */
  offset: number
  /** In bytes: 1, 2, 4 or 8. Default: any. */
  length?: 1 | 2 | 4 | 8
  /** Only writes of this value. Default: all. Needs `length`. */
  value?: bigint
}

/**
 * What a machine gives to a device of its: all that the device can reach beyond its own registers. A device never sees the
 * machine, the VM or its own addresses.
 */
export interface DeviceContext {
  /** The device's own, unique in the machine. */
  readonly name: string
  /** The guest's memory, for DMA. */
  readonly memory: DeviceMemory
  /**
   * The line of the device's first interrupt, or of the one with that index among its resources. Devices may share a line: it
   * is high while any of them wants it so.
   */
  readonly interrupt: (index?: number) => InterruptLine
  /** From now on these writes call `ring` a little later, several at once where they come fast, and `write()` is not called. */
  readonly doorbell: (options: DoorbellOptions, ring: DoorbellTarget) => Doorbell
  /** The guest's time in nanoseconds: it stands still while the machine is paused. */
  readonly clock: Clock
  /** Timers on that time. */
  readonly schedule: Schedule
  readonly effects: MachineEffects
  /** The id of the vCPU whose access is being handled; undefined outside of one, and for a posted write. */
  readonly vcpu: number | undefined
  /**
   * The device cannot go on: for what goes wrong outside of an access, such as in a stream or a timer. The run ends, and
   * rejects with `error`, as `ERR_KVM_DEVICE_FAILED`.
   */
  readonly fail: (error: unknown) => void
}
