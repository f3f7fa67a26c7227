import type { VmInside } from './vm-inside.js'
import { placeIntelPages } from './x86/vm-calls.js'

/** Before a VM's vCPU is created. */
export const prepareForVcpu: (vm: VmInside, isFirst: boolean) => void =
  process.arch === 'arm64' ? () => undefined : placeIntelPages
