import { KvmError } from '../errors.js'
import { checkOptions } from '../validate.js'
import type { BootSource } from './boot-source.js'
import type { MachineShape } from './machine-state.js'
import { type CheckedMachineOptions, checkMachineOptions, type MachineOptions } from './options.js'

/** What a machine that is restored has beside what it had. */
export interface RestoreOptions extends Pick<MachineOptions, 'devices' | 'onReset' | 'pausedClock' | 'strict' | 'kvm'> {
  /** What it boots when its guest resets. Default: a reset ends the run. */
  boot?: BootSource
  /** Memory beside RAM, as it was given to the machine that was saved. */
  regions?: NonNullable<MachineOptions['memoryMap']>['regions']
}

const KNOWN = ['devices', 'onReset', 'pausedClock', 'strict', 'kvm', 'boot', 'regions']

/** The options of a machine of that shape. */
export function checkRestoreOptions(shape: MachineShape, options: RestoreOptions): CheckedMachineOptions {
  checkOptions('options', options, KNOWN)
  const { boot, regions, onReset = boot === undefined ? 'end' : 'boot', ...others } = options
  const { hole, reserved, ...machine } = shape
  return checkMachineOptions({
    ...machine,
    ...others,
    onReset,
    boot: boot ?? nothingToBoot,
    memoryMap: { hole, reserved, ...(regions === undefined ? {} : { regions }) },
  })
}

/** Of a machine whose run a reset ends. */
const nothingToBoot: BootSource = {
  prepare: () =>
    Promise.resolve({
      load: () => {
        throw new KvmError('ERR_KVM_BOOT_IMAGE', 'a machine that was restored without `boot` has nothing to boot')
      },
    }),
}
