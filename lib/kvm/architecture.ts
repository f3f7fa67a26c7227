// What differs between architectures, chosen once.
import * as arm64 from './generated/arm64.js'
import * as x86 from './generated/x86.js'

/** Where the members of a vCPU's page are. */
export const kvm_run = process.arch === 'arm64' ? arm64.kvm_run : x86.kvm_run
