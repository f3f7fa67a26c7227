import type { Bus } from '../bus/bus.js'
import type { Device } from '../bus/device.js'
import type { InterruptLine } from '../bus/interrupt-line.js'
import type { Vm } from '../kvm/vm.js'

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
  /** Maps a device, its fast paths included. */
  mapPorts(start: number, length: number, device: Device): void
  mapMmio(start: number, length: number, device: Device): void
  /** Notes what the guest writes to a console, for {@link Machine.postMortem}. `bytes` is valid during the call only. */
  consoleOutput(bytes: Uint8Array): void
  /** Calls back when the guest's run ends, before the machine boots again or is closed. */
  onEnd(callback: () => void): void
}

/** A device that can be given to a machine. It is put in again when the machine boots again. */
export interface MachineDevice {
  attach(host: DeviceHost): void
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
    mapPorts(start, length, device) {
      const mapping = ports.map(start, length, device)
      mapping.attachFastPaths({
        postWrites: (offset, count) =>
          vm.postWrites({ port: start + offset, length: count }, (at, data) => {
            mapping.device.write(offset + at, data)
          }),
        latchRead: (offset, width, initial) => vm.latchRead({ port: start + offset, width }, initial),
      })
    },
    mapMmio(start, length, device) {
      const mapping = mmio.map(start, length, device)
      mapping.attachFastPaths({
        postWrites: (offset, count) =>
          vm.postWrites({ address: start + offset, length: count }, (at, data) => {
            mapping.device.write(offset + at, data)
          }),
        latchRead: (offset, width, initial) => vm.latchRead({ address: start + offset, width }, initial),
      })
    },
  }
}
