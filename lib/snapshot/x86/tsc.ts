import { MSR } from '../../arch/x86/msrs.js'
import { KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET } from '../../kvm/generated/x86.js'
import type { Vcpu } from '../../kvm/vcpu.js'
import { whereThere } from '../on-this-host.js'

// A time stamp counter never stands, and vCPUs are read one after the other. What a guest sees is the difference between theirs,
// and KVM says that exactly: each is the host's counter, scaled, plus an offset (Documentation/virt/kvm/devices/vcpu.rst,
// KVM_VCPU_TSC_OFFSET; Linux 5.16). So all values of a state are of the moment at which the first was read.

/** Further than a second, whatever the frequency. */
const FAR = 1n << 50n

const OFFSET = { group: KVM_VCPU_TSC_CTRL, attr: BigInt(KVM_VCPU_TSC_OFFSET) }

const counterOf = (vcpu: Vcpu): bigint => vcpu.getMsrs([MSR.IA32_TSC]).get(MSR.IA32_TSC) ?? 0n

const offsetOf = (vcpu: Vcpu): bigint => Buffer.from(vcpu.getDeviceAttr(OFFSET, 8)).readBigUInt64LE()

/** Whether the vCPUs' counters are one host's plus an offset each, and the offsets are known. */
function haveOffsets(vcpus: readonly Vcpu[]): boolean {
  const speeds = new Set(vcpus.map(speedOf))
  return speeds.size === 1 && !speeds.has(0) && vcpus.every((vcpu) => vcpu.hasDeviceAttr(OFFSET))
}

/** What the time stamp counters are at one moment. */
export function readCounters(vcpus: readonly Vcpu[]): bigint[] {
  const [first] = vcpus
  if (first === undefined || !haveOffsets(vcpus)) return vcpus.map(counterOf)
  const host = counterOf(first) - offsetOf(first)
  return vcpus.map((vcpu) => BigInt.asUintN(64, host + offsetOf(vcpu)))
}

/** Makes the counters go on from these values, which were those of one moment. */
export function writeCounters(vcpus: readonly Vcpu[], values: readonly bigint[]): void {
  const [first] = vcpus
  if (first === undefined) return
  if (!haveOffsets(vcpus)) {
    // KVM takes a value within a second of what it expects for an attempt to have the counters go alike: it gives the others what it
    // gave the first. The first is set far away before, or it might be left as it is.
    first.setMsrs([[MSR.IA32_TSC, BigInt.asUintN(64, (values[0] ?? 0n) + FAR)]])
    for (const [at, vcpu] of vcpus.entries()) vcpu.setMsrs([[MSR.IA32_TSC, values[at] ?? 0n]])
    return
  }
  const host = counterOf(first) - offsetOf(first)
  for (const [at, vcpu] of vcpus.entries()) {
    const offset = Buffer.alloc(8)
    offset.writeBigUInt64LE(BigInt.asUintN(64, (values[at] ?? 0n) - host))
    vcpu.setDeviceAttr(OFFSET, offset)
  }
}

/** In kHz; 0 where the kernel does not say, since the host's counter is not steady. */
export const speedOf = (vcpu: Vcpu): number => whereThere(() => vcpu.getTscKhz()) ?? 0

/** KVM_SET_TSC_KHZ, where the vCPU's speed is another one: the kernel refuses what the host cannot do. */
export function restoreSpeed(vcpu: Vcpu, khz: number): void {
  if (khz !== 0 && speedOf(vcpu) !== khz) vcpu.setTscKhz(khz)
}
