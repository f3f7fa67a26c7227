import type { Bus, MapOptions } from '../bus/bus.js'
import type { Device } from '../bus/device.js'
import type { InterruptLine } from '../bus/interrupt-line.js'
import type { Vm } from '../kvm/vm.js'
import { deviceFastPaths } from './device-fast-paths.js'

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
  /** The line of a GSI at the in-kernel interrupt controllers. */
  interrupt(gsi: number): InterruptLine
  /** Maps a device as {@link Bus.map} does, its fast paths included. */
  mapPorts(start: number, length: number, device: Device, options?: MapOptions): void
  /** The same at guest physical addresses. Throws `ERR_KVM_MEMORY_OVERLAP` where there is RAM. */
  mapMmio(start: number, length: number, device: Device): void
  /** Notes what the guest writes to a console, for {@link Machine.postMortem}. `bytes` is valid during the call only. */
  consoleOutput(bytes: Uint8Array): void
  /**
   * Calls back once when this life of the guest is over: its run has ended, the machine was closed, or could not be put
   * together. It may boot again then; see {@link MachineDevice.ended}. What one callback throws keeps no other from running,
   * and comes out of `run()`, `close()` or `create()` as `ERR_KVM_DEVICE_FAILED`.
   */
  onEnd(callback: () => void): void
}

/** A device that can be given to a machine. */
export interface MachineDevice {
  /** Puts it in; again when the machine boots again. */
  attach(host: DeviceHost): void
  /** No other life comes: the run has ended, the machine was closed before it ran, or could not be created. Called once. */
  ended?(): void
}

export function deviceHost(
  vm: Vm,
  ports: Bus,
  mmio: Bus,
  guest: Pick<DeviceHost, 'effects' | 'consoleOutput' | 'onEnd'>,
): DeviceHost {
  return {
    ports,
    mmio,
    ...guest,
    interrupt: (gsi) => ({
      set: (level) => {
        if (!vm.closed) vm.irqLine(gsi, level)
      },
    }),
    mapPorts(start, length, device, options) {
      const mapping = ports.map(start, length, device, options)
      mapping.attachFastPaths(deviceFastPaths(vm, mapping, 'port'))
    },
    mapMmio(start, length, device) {
      const mapping = mmio.map(start, length, device)
      mapping.attachFastPaths(deviceFastPaths(vm, mapping, 'address'))
    },
  }
}
