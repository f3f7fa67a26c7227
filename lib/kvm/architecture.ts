// What differs between architectures, chosen once.
import * as arm64 from './generated/arm64.js'
import * as x86 from './generated/x86.js'
import type { VmInside } from './vm-inside.js'
import { placeIntelPages } from './x86/vm-calls.js'

/** Where the members of a vCPU's page are. */
export const kvm_run = process.arch === 'arm64' ? arm64.kvm_run : x86.kvm_run

/** Before a VM's vCPU is created. */
export const prepareForVcpu: (vm: VmInside, isFirst: boolean) => void =
  process.arch === 'arm64' ? () => undefined : placeIntelPages
