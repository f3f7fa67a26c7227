// Leaves (Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E).
export const LEAF_FEATURES = 0x1
export const LEAF_CACHE_PARAMETERS = 0x4
export const LEAF_PERFORMANCE_MONITORING = 0xa
export const LEAF_TOPOLOGY = 0xb
export const LEAF_TOPOLOGY_V2 = 0x1f
export const LEAF_BRAND = 0x8000_0002
export const LEAF_BRAND_END = 0x8000_0005
export const LEAF_AMD_SIZES = 0x8000_0008
export const LEAF_AMD_CACHE_PARAMETERS = 0x8000_001d
export const LEAF_AMD_TOPOLOGY = 0x8000_001e

// Leaf 1.
export const EBX_APIC_ID_SHIFT = 24
export const EBX_LOGICAL_COUNT_SHIFT = 16
export const EDX_HTT = 1 << 28
export const ECX_TSC_DEADLINE = 1 << 24
export const ECX_HYPERVISOR = 2 ** 31

// Leaf 0xb.
export const LEVEL_SMT = 1
export const LEVEL_CORE = 2
export const FLAG_SIGNIFICANT_INDEX = 1
