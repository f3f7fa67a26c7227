import { checkInteger, checkUint64, invalidArgument } from '../validate.js'
import type { CapabilityName } from './capabilities.js'
import { capabilityNumber, type Fd } from './fd.js'
import { kvm_enable_cap } from './generated/common.js'

/**
 * KVM_ENABLE_CAP: switches a capability on. `args` is what it wants, up to four numbers (KVM API, section 6 and 7). What the
 * kernel writes back (KVM_CAP_HYPERV_ENLIGHTENED_VMCS alone: the version) is returned, else 0.
 */
export function enableCap(fd: Fd, capability: CapabilityName, args: readonly (number | bigint)[]): number {
  if (!Array.isArray(args) || args.length > 4) throw invalidArgument('args', args, 'up to four numbers')
  const words = Array.from({ length: 4 }, (_, index) => {
    const value: unknown = args[index] ?? 0n
    const name = `args[${index}]`
    return typeof value === 'number'
      ? BigInt(checkInteger(name, value, 0, Number.MAX_SAFE_INTEGER))
      : checkUint64(name, value)
  })
  const bytes = kvm_enable_cap.bytes({ cap: capabilityNumber(capability), args: words })
  const answer = new Uint8Array(2)
  fd.ioctl('KVM_ENABLE_CAP', bytes, { capability, args }, answer)
  return new DataView(answer.buffer).getUint16(0, true)
}
