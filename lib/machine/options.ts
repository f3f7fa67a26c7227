import { checkBoolean, checkInteger, checkOneOf, checkOptions, invalidArgument } from '../validate.js'
import type { BootSource } from './boot-source.js'
import type { MachineDevice } from './host.js'
import { parseSize } from './size.js'

/** What a machine is made of. */
export interface MachineOptions {
  /** vCPUs, 1 (the default) to 16. */
  cpus?: number
  /** RAM in bytes, or a string like `512M`. Default: 256 MiB. */
  memory?: number | string
  /** What it boots, for example `linux({ kernel })`. */
  boot: BootSource
  /** Devices beside those that every machine has, for example `serial({ output: process.stdout })`. */
  devices?: readonly MachineDevice[]
  /** What a reset by the guest does: boot again (the default), or end the run. */
  onReset?: 'boot' | 'end'
  /** What the guest's clock does while the machine is paused: it stands still (`stop`, the default), or goes on (`run`). */
  pausedClock?: 'stop' | 'run'
  /**
   * An access to a port or an address where nothing is ends the run: it rejects with `ERR_KVM_UNCLAIMED_ACCESS`. For guests
   * of one's own; kernels probe for what may not be there. Default: false.
   */
  strict?: boolean
}

export interface CheckedMachineOptions {
  cpus: number
  memory: number
  boot: BootSource
  devices: readonly MachineDevice[]
  onReset: 'boot' | 'end'
  pausedClock: 'stop' | 'run'
  strict: boolean
}

const MAX_CPUS = 16
const PAGE = 4096
const DEFAULT_MEMORY = 256 * 2 ** 20
const MIN_MEMORY = 2 ** 20

const isDevice = (device: Partial<MachineDevice> | null | undefined) => typeof device?.attach === 'function'

export function checkMachineOptions(options: MachineOptions): CheckedMachineOptions {
  checkOptions('options', options, ['cpus', 'memory', 'boot', 'devices', 'onReset', 'pausedClock', 'strict'])
  const { boot, devices = [], onReset = 'boot' } = options
  const memory = checkInteger('memory', parseSize('memory', options.memory ?? DEFAULT_MEMORY), MIN_MEMORY, 2 ** 46)
  if (memory % PAGE !== 0) throw invalidArgument('memory', memory, `a multiple of ${PAGE}`)
  if (typeof (boot as Partial<BootSource> | undefined)?.prepare !== 'function') {
    throw invalidArgument('boot', boot, 'a boot source, for example linux({ kernel })')
  }
  if (!Array.isArray(devices) || !devices.every(isDevice)) {
    throw invalidArgument('devices', devices, 'an array of machine devices, for example [serial({ output })]')
  }
  return {
    cpus: checkInteger('cpus', options.cpus ?? 1, 1, MAX_CPUS),
    memory,
    boot,
    devices,
    onReset: checkOneOf('onReset', onReset, ['boot', 'end']),
    pausedClock: checkOneOf('pausedClock', options.pausedClock ?? 'stop', ['stop', 'run']),
    strict: checkBoolean('strict', options.strict ?? false),
  }
}
