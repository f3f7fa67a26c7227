import type { Bus, MapOptions } from '../bus/bus.js'
import type { Device } from '../bus/device.js'
import { type InterruptLine, SharedInterruptLine } from '../bus/interrupt-line.js'
import type { Vm } from '../kvm/vm.js'
import { checkInteger } from '../validate.js'
import { GSI_COUNT } from '../platform/interrupt-lines.js'

/** What a guest can do to its machine as a whole. */
export interface MachineEffects {
  powerOff(): void
  /** `cause` names the register, for messages. */
  reset(cause: string): void
  /** `status` is what a process would end with, `value` what the guest wrote. */
  exit(status: number, value: number): void
  panic(): void
}

/** A machine as its devices see it while they are put in. */
export interface DeviceHost {
  readonly ports: Bus
  readonly mmio: Bus
  readonly effects: MachineEffects
  /**
   * A line to the in-kernel interrupt controllers' GSI, 0 to 23. Each call gives one of its own: the GSI is high while any of
   * its lines is, so devices may share it. Lower a line before you let go of it. When the life is over it does nothing.
   */
  interrupt(gsi: number): InterruptLine
  /** Maps a device as {@link Bus.map} does. */
  mapPorts(start: number, length: number, device: Device, options?: MapOptions): void
  /** The same at guest physical addresses. Throws `ERR_KVM_MEMORY_OVERLAP` where there is RAM. */
  mapMmio(start: number, length: number, device: Device, options?: MapOptions): void
  /** Notes what the guest writes to a console, for {@link Machine.postMortem}. `bytes` is valid during the call only. */
  consoleOutput(bytes: Uint8Array): void
  /**
   * Calls back once when this life of the guest is over: its run has ended, the machine was closed, or could not be put
   * together. It may boot again then; see {@link MachineDevice.ended}. What one callback throws keeps no other from running,
   * and comes out of `run()`, `close()` or `create()` as `ERR_KVM_DEVICE_FAILED`.
   */
  onEnd(callback: () => void): void
  /**
   * The device cannot go on: for what goes wrong outside of an access, such as in a stream or a timer. It ends this life, and
   * the run rejects with `error`, as `ERR_KVM_DEVICE_FAILED`. When the life is over it does nothing.
   */
  fail(error: unknown): void
}

/** What is to be done when something has happened, at once or by and by. */
export type Told = (() => void) | (() => Promise<void>)

/** A device that can be given to a machine. */
export interface MachineDevice {
  /** Puts it in; again when the machine boots again. */
  attach(host: DeviceHost): void
  /**
   * No other life comes: the run has ended, the machine was closed before it ran, or could not be created. Called once. A run
   * waits for the promise, unless the machine is closed; what it rejects with, the run rejects with.
   */
  ended?: Told
}

export function deviceHost(
  vm: Vm,
  ports: Bus,
  mmio: Bus,
  guest: Pick<DeviceHost, 'effects' | 'consoleOutput' | 'onEnd' | 'fail'>,
): DeviceHost {
  const lines = new Map<number, SharedInterruptLine>()
  const addLine = (gsi: number) => {
    const line = new SharedInterruptLine({
      set: (level) => {
        if (!vm.closed) vm.irqLine(gsi, level)
      },
    })
    lines.set(gsi, line)
    return line
  }
  return {
    ports,
    mmio,
    ...guest,
    interrupt(gsi) {
      checkInteger('gsi', gsi, 0, GSI_COUNT - 1)
      return (lines.get(gsi) ?? addLine(gsi)).source()
    },
    mapPorts(start, length, device, options) {
      ports.map(start, length, device, options)
    },
    mapMmio(start, length, device, options) {
      mmio.map(start, length, device, options)
    },
  }
}
