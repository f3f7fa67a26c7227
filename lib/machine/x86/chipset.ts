import type { DeviceContext } from '../../bus/device-context.js'
import { wallClock } from '../../bus/clock.js'
import * as PM from '../../devices/acpi-pm-registers.js'
import { AcpiPm } from '../../devices/acpi-pm.js'
import { DebugExit } from '../../devices/debug-exit.js'
import { FW_CFG_LENGTH, FwCfg } from '../../devices/fw-cfg.js'
import { GENERATION_ID_SIZE, GenerationId } from '../../devices/generation-id.js'
import { I8042 } from '../../devices/i8042.js'
import { PostCode } from '../../devices/post-code.js'
import { PvPanic } from '../../devices/pvpanic.js'
import { ResetControl } from '../../devices/reset-control.js'
import { Rtc } from '../../devices/rtc.js'
import { SystemControlA } from '../../devices/system-control.js'
import { GENERATION_ID, PNP_RTC, PVPANIC, QEMU_FW_CFG } from '../../platform/pnp-ids.js'
import type { Placed } from '../../memory/placed.js'
import type { DeviceHost, MachineDevice } from '../host.js'
import { OpenBus } from './open-bus.js'
import { PciPorts } from './pci-ports.js'
import * as P from './platform.js'

export interface ChipsetOptions {
  cpus: number
  /** RAM from address 0, in bytes. */
  memoryBelow4G: number
  /** RAM from 4 GiB on, in bytes. */
  memoryAbove4G: number
  /** Whether the guest can suspend to RAM. */
  suspend: boolean
  /** Whether there is QEMU's firmware configuration device. */
  fwCfg: boolean
}

const resetBy =
  ({ effects }: DeviceContext, cause: string) =>
  () => {
    effects.reset(cause)
  }

/** What makes a PC: clock, keyboard controller, power management, ways to reset, exit and panic. */
export class Chipset implements MachineDevice {
  readonly #options: ChipsetOptions
  #power: AcpiPm | undefined
  #generation: GenerationId | undefined

  constructor(options: ChipsetOptions) {
    this.#options = options
  }

  attach(host: DeviceHost): void {
    const { cpus, memoryBelow4G, memoryAbove4G } = this.#options
    host.add({
      name: 'rtc',
      device: ({ interrupt }) =>
        new Rtc({ interrupt: interrupt(), clock: wallClock, contents: { cpus, memoryBelow4G, memoryAbove4G } }),
      resources: [{ port: P.RTC_PORT, length: P.RTC_LENGTH }, { gsi: P.RTC_GSI }],
      acpi: { hid: PNP_RTC, name: 'RTC' },
    })
    // Not in the tables: it is there for firmware and to reset, nobody presses keys, and to look for it takes long.
    host.add({
      name: 'keyboard',
      device: (context) =>
        new I8042({ interrupt: context.interrupt(), reset: resetBy(context, 'the keyboard controller') }),
      resources: [
        { port: P.I8042_DATA_PORT, length: 1 },
        { port: P.I8042_COMMAND_PORT, length: 1, offset: P.I8042_COMMAND_PORT - P.I8042_DATA_PORT },
        { gsi: P.KEYBOARD_GSI },
      ],
    })
    this.#addPower(host)
    this.#addGenerationId(host)
    this.#addEffects(host)
    this.#addFwCfg(host)
    addOpenBus(host)
  }

  /** Puts into memory what the guest reads there. Returns what and where. */
  place(): Placed[] {
    if (this.#generation?.place() !== true) return []
    return [{ name: 'VM generation ID', start: P.GENERATION_ID_ADDRESS, size: GENERATION_ID_SIZE }]
  }

  pressPowerButton(): boolean {
    return this.#power?.pressPowerButton() ?? false
  }

  #addPower(host: DeviceHost): void {
    const { suspend } = this.#options
    host.add({
      name: 'power',
      device: (context) =>
        (this.#power = new AcpiPm({
          interrupt: context.interrupt(),
          clock: context.clock,
          schedule: context.schedule,
          powerOff: () => {
            context.effects.powerOff()
          },
          sleep: (type) => {
            if (suspend && type === PM.SLEEP_TYPE_S3) context.effects.suspend()
          },
          reset: resetBy(context, 'the ACPI reset register'),
        })),
      resources: [
        { port: P.PM_PORT, length: PM.ACPI_PM_LENGTH },
        { gsi: P.SCI_GSI, trigger: 'level' },
      ],
      acpi: {
        fixed: {
          event: PM.PM1_STATUS,
          control: PM.PM1_CONTROL,
          timer: PM.PM_TIMER,
          reset: { offset: PM.RESET, value: PM.RESET_VALUE },
          sleepTypes: { s5: PM.SLEEP_TYPE_S5, ...(suspend ? { s3: PM.SLEEP_TYPE_S3 } : {}) },
        },
      },
    })
  }

  #addGenerationId(host: DeviceHost): void {
    const address = P.GENERATION_ID_ADDRESS
    host.add({
      name: 'generation-id',
      device: ({ memory, interrupt }) =>
        (this.#generation = new GenerationId({ memory, address, interrupt: interrupt() })),
      resources: [{ gsi: P.GENERATION_GSI }],
      acpi: { hid: GENERATION_ID, name: 'VGEN', generationId: { address } },
    })
  }

  #addFwCfg(host: DeviceHost): void {
    const { cpus, fwCfg, memoryBelow4G, memoryAbove4G } = this.#options
    if (!fwCfg) return
    host.add({
      name: 'fw_cfg',
      // With its menu, which firmware shows where nobody forbids it.
      device: ({ memory }) => new FwCfg({ memory, ramSize: memoryBelow4G + memoryAbove4G, cpus, bootMenu: true }),
      resources: [{ port: P.FW_CFG_PORT, length: FW_CFG_LENGTH }],
      acpi: { hid: QEMU_FW_CFG, name: 'FWCF' },
    })
  }

  #addEffects(host: DeviceHost): void {
    host.add({
      name: 'post-code',
      device: ({ effects }) =>
        new PostCode({
          code: (code) => {
            effects.postCode(code)
          },
        }),
      resources: [{ port: P.POST_PORT, length: 1 }],
    })
    host.add({
      name: 'system-control',
      device: (context) => new SystemControlA({ reset: resetBy(context, 'port 0x92') }),
      resources: [{ port: P.SYSTEM_CONTROL_A_PORT, length: 1 }],
    })
    host.add({
      name: 'exit',
      device: ({ effects }) =>
        new DebugExit({
          exit: (status, value) => {
            effects.exit(status, value)
          },
        }),
      resources: [{ port: P.EXIT_PORT, length: P.EXIT_LENGTH }],
    })
    host.add({
      name: 'pvpanic',
      device: ({ effects }) =>
        new PvPanic({
          event: (event) => {
            if (event === 'shutdown') effects.powerOff()
            else effects.panic()
          },
        }),
      resources: [{ port: P.PVPANIC_PORT, length: 1 }],
      acpi: { hid: PVPANIC, name: 'PEVT' },
    })
  }
}

/**
 * Where the serial lines and PCI's configuration mechanism would be, and are not unless a device takes the place: kernels
 * probe each of them, PCI with some hundred accesses.
 */
function addOpenBus(host: DeviceHost): void {
  for (const { port } of P.SERIAL_LINES) {
    host.add({
      name: `no-serial-at-${port.toString(16)}`,
      device: new OpenBus(P.SERIAL_LENGTH),
      resources: [{ port, length: P.SERIAL_LENGTH }],
      yields: true,
    })
  }
  host.add({
    name: 'pci-ports',
    device: (context) => new PciPorts(new ResetControl({ reset: resetBy(context, 'port 0xcf9') })),
    resources: [{ port: P.PCI_CONFIG_PORT, length: P.PCI_CONFIG_LENGTH }],
    yields: true,
  })
}
