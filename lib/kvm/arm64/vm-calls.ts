import { checkBoolean, checkBytes, checkOptions, checkUint64 } from '../../validate.js'
import type { Calls } from '../calls.js'
import {
  KVM_ARM_FEATURE_ID_RANGE_SIZE,
  KVM_ARM_TAGS_FROM_GUEST,
  KVM_ARM_TAGS_TO_GUEST,
  kvm_arm_copy_mte_tags,
  kvm_arm_counter_offset,
  kvm_vcpu_init,
  reg_mask_range,
} from '../generated/arm64.js'
import { kvm_arm_device_addr } from '../generated/common.js'
import type { VmInside } from '../vm-inside.js'
import type { VcpuInit } from './vcpu-calls.js'

/** What a VM has on arm64 alone. */
export interface Arm64VmCalls {
  /** KVM_ARM_PREFERRED_TARGET: what this host's KVM makes of a vCPU best; set features, and give it to armVcpuInit(). */
  armPreferredTarget(): VcpuInit
  /** KVM_ARM_SET_DEVICE_ADDR: where a GICv2 of createIrqchip() is. Newer kernels want attributes of a device instead. */
  armSetDeviceAddr(id: bigint, address: bigint): void
  /** KVM_ARM_SET_COUNTER_OFFSET: what the guest's counters are behind the host's, in ticks. */
  armSetCounterOffset(offset: bigint): void
  /** KVM_ARM_GET_REG_WRITABLE_MASKS: for each of the 192 feature id registers the bits that may be changed. */
  armGetRegWritableMasks(): bigint[]
  /**
   * KVM_ARM_MTE_COPY_TAGS: the tags of guest memory, one byte for each 16 bytes of it: reads them into `tags`, or with `write`
   * sets them. `address` is a guest physical address and `tags.length * 16` the length, both multiples of a page. When it throws,
   * `operands.address` is the page that could not be reached: the tags before it have been set, and none has been read.
   */
  armMteCopyTags(options: { address: bigint; tags: Uint8Array; write?: boolean }): void
}

/** How many bytes of memory have one tag. */
const GRANULE = 16

export const arm64VmCalls: Calls<Arm64VmCalls, VmInside> = {
  armPreferredTarget: ({ fd }) => fd.get('KVM_ARM_PREFERRED_TARGET', kvm_vcpu_init),
  armSetDeviceAddr({ fd }, id, address) {
    const addr = checkUint64('address', address)
    fd.set('KVM_ARM_SET_DEVICE_ADDR', kvm_arm_device_addr, { id: checkUint64('id', id), addr }, { id, address })
  },
  armSetCounterOffset({ fd }, offset) {
    fd.set(
      'KVM_ARM_SET_COUNTER_OFFSET',
      kvm_arm_counter_offset,
      { counter_offset: checkUint64('offset', offset) },
      { offset },
    )
  },
  armGetRegWritableMasks({ fd }) {
    const masks = new BigUint64Array(KVM_ARM_FEATURE_ID_RANGE_SIZE)
    fd.ioctl('KVM_ARM_GET_REG_WRITABLE_MASKS', reg_mask_range.bytes({}), {}, new Uint8Array(masks.buffer))
    return [...masks]
  },
  armMteCopyTags({ fd }, options) {
    const { address, tags, write } = checkOptions('options', options, ['address', 'tags', 'write'])
    const toGuest = checkBoolean('write', write ?? false)
    const given = checkBytes('tags', tags)
    const start = checkUint64('address', address)
    const flags = BigInt(toGuest ? KVM_ARM_TAGS_TO_GUEST : KVM_ARM_TAGS_FROM_GUEST)
    const copy = new Uint8Array(given)
    // The kernel may stop at a page that it cannot reach, and says how much of the memory is done; the next call says why.
    for (let done = 0; done < copy.length;) {
      const left = copy.subarray(done)
      const place = { guest_ipa: start + BigInt(done * GRANULE), length: BigInt(left.length * GRANULE) }
      const operands = { address: place.guest_ipa, length: left.length * GRANULE }
      done +=
        fd.ioctl('KVM_ARM_MTE_COPY_TAGS', kvm_arm_copy_mte_tags.bytes({ ...place, flags }), operands, left) / GRANULE
    }
    given.set(copy)
  },
}
