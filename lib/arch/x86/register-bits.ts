// Bits of CR0, CR4, EFER and RFLAGS (Intel SDM vol. 3A, 2.3 and 2.5; vol. 4, table 2-2).

export const CR0_PE = 1n << 0n
export const CR0_ET = 1n << 4n
export const CR0_NE = 1n << 5n
export const CR0_PG = 1n << 31n

export const CR4_PSE = 1n << 4n
export const CR4_PAE = 1n << 5n
export const CR4_LA57 = 1n << 12n

export const EFER_LME = 1n << 8n
export const EFER_LMA = 1n << 10n
export const EFER_NXE = 1n << 11n

/** Always set. */
export const RFLAGS_FIXED = 1n << 1n
export const RFLAGS_IF = 1n << 9n
export const RFLAGS_VM = 1n << 17n
