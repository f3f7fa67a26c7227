import { count, flag, mask, only } from './info.js'

/** Capabilities of arm64 hosts. */
export const arm64 = only(['arm64'], {
  KVM_CAP_ARM_PSCI: flag('The firmware interface for power, version 0.1.'),
  KVM_CAP_ARM_PSCI_0_2: flag('The firmware interface for power, version 0.2 and later.'),
  KVM_CAP_ARM_SET_DEVICE_ADDR: flag('Where a GICv2 lies, in the old form: KVM_ARM_SET_DEVICE_ADDR.'),
  KVM_CAP_ARM_EL1_32BIT: flag('A vCPU can be of 32 bits at EL1.'),
  KVM_CAP_ARM_PMU_V3: flag('A vCPU can have a performance monitor.'),
  KVM_CAP_ARM_USER_IRQ: count(
    'Timers and the performance monitor work without a GIC in the kernel: a version, 1 for both timers, 2 with the monitor.',
  ),
  KVM_CAP_ARM_INJECT_SERROR_ESR: flag('An SError that is given to a guest can have a syndrome.'),
  KVM_CAP_ARM_VM_IPA_SIZE: count('Bits of a guest physical address that a VM can have: the type of KVM_CREATE_VM.'),
  KVM_CAP_ARM_SVE: flag('A vCPU can have SVE.'),
  KVM_CAP_ARM_PTRAUTH_ADDRESS: flag('A vCPU can authenticate addresses.'),
  KVM_CAP_ARM_PTRAUTH_GENERIC: flag('A vCPU can authenticate data.'),
  KVM_CAP_ARM_IRQ_LINE_LAYOUT_2: flag('KVM_IRQ_LINE reaches vCPUs beyond the 256th.'),
  KVM_CAP_ARM_NISV_TO_USER: flag(
    'An access to no memory by an instruction that the processor does not decode can be an exit.',
  ),
  KVM_CAP_ARM_INJECT_EXT_DABT: flag('An external data abort can be given to a vCPU.'),
  KVM_CAP_ARM_MTE: flag('Memory of a guest can have tags.'),
  KVM_CAP_ARM_SYSTEM_SUSPEND: flag("A guest's request to suspend the system can be an exit."),
  KVM_CAP_COUNTER_OFFSET: flag("Both of a VM's counters can have an offset: KVM_ARM_SET_COUNTER_OFFSET."),
  KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE: count(
    'Bytes that KVM splits into pages at once when a log of dirty pages begins; 0 until it is set.',
  ),
  KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES: mask(
    'Sizes of chunks that KVM can split into pages at once: bit n is 2 to the power of n bytes.',
  ),
  KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES: mask(
    'Ranges of registers whose writable bits can be asked for: KVM_ARM_GET_REG_WRITABLE_MASKS.',
  ),
  KVM_CAP_ARM_WRITABLE_IMP_ID_REGS: flag('MIDR, REVIDR and AIDR of a VM can be set.'),
  KVM_CAP_ARM_EL2: flag('A vCPU can have EL2: be a hypervisor.'),
  KVM_CAP_ARM_EL2_E2H0: flag('A vCPU with EL2 can do without the host extensions.'),
  KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED: flag('Memory of devices without struct pages can be cacheable in a guest.'),
  KVM_CAP_ARM_SEA_TO_USER: flag('A synchronous external abort that the host does not handle can be an exit.'),
})
