import * as PM from '../../devices/acpi-pm-registers.js'
import { AcpiPm } from '../../devices/acpi-pm.js'
import { wallClock } from '../../bus/clock.js'
import { DebugExit } from '../../devices/debug-exit.js'
import { I8042 } from '../../devices/i8042.js'
import { PostCode } from '../../devices/post-code.js'
import { PvPanic } from '../../devices/pvpanic.js'
import { ResetControl } from '../../devices/reset-control.js'
import { Rtc } from '../../devices/rtc.js'
import { SystemControlA } from '../../devices/system-control.js'
import type { DeviceHost } from '../host.js'
import { OpenBus } from './open-bus.js'
import { PciPorts } from './pci-ports.js'
import * as P from './platform.js'

/** What the clock's memory says. */
export interface ChipsetOptions {
  /** RAM from address 0, in bytes. */
  memoryBelow4G: number
  /** RAM from 4 GiB on, in bytes. */
  memoryAbove4G: number
}

/** The devices that every machine has. */
export interface Chipset {
  pressPowerButton(): boolean
  /** The power management timer stands still until {@link resumeTimer}. */
  pauseTimer(): void
  resumeTimer(): void
}

/** Puts in what makes a PC: clock, keyboard controller, power management, ways to reset, exit and panic. */
export function addChipset(host: DeviceHost, options: ChipsetOptions): Chipset {
  const { effects } = host
  const reset = (cause: string) => () => {
    effects.reset(cause)
  }
  const rtc = new Rtc({ interrupt: host.interrupt(P.RTC_GSI), clock: wallClock, contents: options })
  const powerManagement = new AcpiPm({
    interrupt: host.interrupt(P.SCI_GSI),
    powerOff: () => {
      effects.powerOff()
    },
    reset: reset('the ACPI reset register'),
  })
  host.onEnd(() => {
    rtc.close()
    powerManagement.close()
  })
  const keyboard = new I8042({
    interrupt: host.interrupt(P.KEYBOARD_GSI),
    reset: reset('the keyboard controller'),
  })
  addOpenBus(host, new PciPorts(new ResetControl({ reset: reset('port 0xcf9') })))
  host.mapPorts(P.RTC_PORT, P.RTC_LENGTH, rtc)
  host.ports.map(P.I8042_DATA_PORT, 1, keyboard)
  host.mapPorts(P.I8042_COMMAND_PORT, 1, keyboard, { offset: P.I8042_COMMAND_PORT - P.I8042_DATA_PORT })
  host.mapPorts(P.POST_PORT, 1, new PostCode())
  host.mapPorts(P.SYSTEM_CONTROL_A_PORT, 1, new SystemControlA({ reset: reset('port 0x92') }))
  host.mapPorts(P.PM_PORT, PM.ACPI_PM_LENGTH, powerManagement)
  const exit = (status: number, value: number) => {
    effects.exit(status, value)
  }
  host.mapPorts(P.EXIT_PORT, P.EXIT_LENGTH, new DebugExit({ exit }))
  const panic = new PvPanic({
    event: (event) => {
      if (event === 'shutdown') effects.powerOff()
      else effects.panic()
    },
  })
  host.mapPorts(P.PVPANIC_PORT, 1, panic)
  return {
    pressPowerButton: () => powerManagement.pressPowerButton(),
    pauseTimer: () => {
      powerManagement.pause()
    },
    resumeTimer: () => {
      powerManagement.resume()
    },
  }
}

/**
 * Where the serial lines and PCI's configuration mechanism would be, and are not unless a device takes the place: kernels
 * probe each of them, PCI with some hundred accesses.
 */
function addOpenBus(host: DeviceHost, pci: PciPorts): void {
  for (const { port } of P.SERIAL_LINES) {
    host.mapPorts(port, P.SERIAL_LENGTH, new OpenBus(P.SERIAL_LENGTH), { yields: true })
  }
  host.mapPorts(P.PCI_CONFIG_PORT, P.PCI_CONFIG_LENGTH, pci, { yields: true })
}
