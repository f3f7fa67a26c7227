// What differs between architectures, chosen once.
import { kvm_run as arm64Run } from './generated/arm64.js'
import { kvm_run as x86Run } from './generated/x86.js'
import type { VmInside } from './vm-inside.js'
import { placeIntelPages } from './x86/vm-calls.js'

/** Where the members of a vCPU's page are. */
export const kvm_run = process.arch === 'arm64' ? arm64Run : x86Run

/** Before a VM's vCPU is created. */
export const prepareForVcpu: (vm: VmInside, isFirst: boolean) => void =
  process.arch === 'arm64' ? () => undefined : placeIntelPages
