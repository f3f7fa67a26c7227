// Where the loaders put their own structures, all of it below the EBDA, in memory that every PC has; above these addresses
// where the kernel lies there itself. docs/boot.md has the same table.

/** The first KiB belongs to real mode's interrupt table. */
export const GDT_ADDRESS = 0x1000
/** A PML4, a PDPT and four page directories, one page each. */
export const PAGE_TABLES_ADDRESS = 0x2000
/** boot_params (Linux), hvm_start_info (PVH) or the Multiboot information. */
export const BOOT_INFO_ADDRESS = 0x1_0000
/** What comes from the user and may be long: the command line. */
export const COMMAND_LINE_ADDRESS = 0x2_0000
/** The command line ends below this, its NUL included. */
export const COMMAND_LINE_END = 0x3_0000

export const FOUR_GIB = 0x1_0000_0000
export const PAGE = 0x1000
