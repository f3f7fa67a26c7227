import { kvm_run as arm64Run } from './generated/arm64.js'
import { kvm_run as x86Run } from './generated/x86.js'

/** Where the members of a vCPU's page are on this architecture. */
export const kvm_run = process.arch === 'arm64' ? arm64Run : x86Run
