// Leaves (Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E; the kernel's documentation of KVM's CPUID bits).
export const LEAF_VENDOR = 0x0
export const LEAF_FEATURES = 0x1
export const LEAF_CACHE_PARAMETERS = 0x4
export const LEAF_POWER = 0x6
export const LEAF_STRUCTURED_FEATURES = 0x7
export const LEAF_PERFORMANCE_MONITORING = 0xa
export const LEAF_TOPOLOGY = 0xb
export const LEAF_XSAVE = 0xd
export const LEAF_TOPOLOGY_V2 = 0x1f
/** Where the ranges of hypervisors, and of AMD's extensions, begin. */
export const LEAF_HYPERVISOR = 0x4000_0000
export const LEAF_KVM_FEATURES = 0x4000_0001
export const LEAF_EXTENDED = 0x8000_0000
export const LEAF_EXTENDED_FEATURES = 0x8000_0001
export const LEAF_BRAND = 0x8000_0002
export const LEAF_AMD_POWER = 0x8000_0007
export const LEAF_AMD_SIZES = 0x8000_0008
export const LEAF_AMD_SVM = 0x8000_000a
export const LEAF_AMD_CACHE_PARAMETERS = 0x8000_001d
export const LEAF_AMD_TOPOLOGY = 0x8000_001e
export const LEAF_AMD_ENCRYPTION = 0x8000_001f
export const LEAF_AMD_FEATURES_2 = 0x8000_0021
export const LEAF_AMD_TOPOLOGY_V2 = 0x8000_0026

/** KVM_CPUID_FLAG_SIGNIFCANT_INDEX: the entry answers for its subleaf alone. */
export const FLAG_SIGNIFICANT_INDEX = 1

// Leaf 1, EBX.
export const EBX_APIC_ID_SHIFT = 24
export const EBX_LOGICAL_COUNT_SHIFT = 16

// Leaves 0xb and 0x1f: the type of a level.
export const LEVEL_SMT = 1
export const LEVEL_CORE = 2
