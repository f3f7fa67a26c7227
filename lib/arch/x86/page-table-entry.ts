// Bits of a paging-structure entry (Intel SDM vol. 3A, 4.3 to 4.5).

export const PRESENT = 1n << 0n
export const WRITABLE = 1n << 1n
export const USER = 1n << 2n
/** In an entry that could name a table: it maps a page. */
export const LARGE = 1n << 7n
export const NO_EXECUTE = 1n << 63n
export const ADDRESS = 0x000f_ffff_ffff_f000n
