import { KvmError } from '../errors.js'
import type { Architecture } from './architecture.js'
import { x86 } from './x86/board.js'

const ARCHITECTURES: Partial<Record<NodeJS.Architecture, Architecture>> = { x64: x86 }

/** This host's. Throws `ERR_KVM_UNSUPPORTED` where there is no machine for it. */
export function architecture(): Architecture {
  const found = ARCHITECTURES[process.arch]
  if (found !== undefined) return found
  throw new KvmError(
    'ERR_KVM_UNSUPPORTED',
    `there is no machine for ${process.arch} yet; Vm, Vcpu and the devices are there to make one`,
    { operands: { arch: process.arch } },
  )
}
