// Numbers of model-specific registers (Intel SDM vol. 4), and bits of them.

export const MSR_TSC = 0x10
export const MSR_IA32_MISC_ENABLE = 0x1a0
export const MISC_ENABLE_FAST_STRING = 1n
export const MSR_MTRR_DEF_TYPE = 0x2ff
export const MTRR_ENABLE = 1n << 11n
export const MTRR_WRITE_BACK = 6n
export const MSR_TSC_DEADLINE = 0x6e0
