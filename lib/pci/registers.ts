// Configuration space (PCI Local Bus Specification 3.0, chapter 6): offsets in bytes, and bits.

export const VENDOR_ID = 0x00
export const DEVICE_ID = 0x02
export const COMMAND = 0x04
export const STATUS = 0x06
export const REVISION_ID = 0x08
export const CLASS_CODE = 0x09
export const CACHE_LINE_SIZE = 0x0c
export const HEADER_TYPE = 0x0e
export const BASE_ADDRESSES = 0x10
export const SUBSYSTEM_VENDOR_ID = 0x2c
export const SUBSYSTEM_ID = 0x2e
export const CAPABILITIES = 0x34
export const INTERRUPT_LINE = 0x3c
export const INTERRUPT_PIN = 0x3d
/** Where the header ends, and capabilities begin. */
export const HEADER_LENGTH = 0x40
/** Of a function's configuration space, by ports; and with all that only ECAM reaches. */
export const CONFIG_LENGTH = 0x100
export const EXTENDED_LENGTH = 0x1000

export const COMMAND_IO = 1 << 0
export const COMMAND_MEMORY = 1 << 1
export const COMMAND_MASTER = 1 << 2
/** Parity and system errors, which there are none of: firmware and kernels set what they read back. */
export const COMMAND_ERRORS = (1 << 6) | (1 << 8)
export const COMMAND_NO_INTX = 1 << 10
export const STATUS_INTERRUPT = 1 << 3
export const STATUS_CAPABILITIES = 1 << 4
export const MULTIFUNCTION = 1 << 7

/** Base address registers, of 4 bytes. */
export const BAR_COUNT = 6
export const BAR_WIDTH = 4
export const BAR_PORT = 1 << 0
export const BAR_64_BITS = 1 << 2
export const BAR_PREFETCHABLE = 1 << 3
/** The low bits that say what a BAR is. */
export const BAR_PORT_KIND = 0b11
export const BAR_MEMORY_KIND = 0b1111

// MSI-X (PCI 3.0, 6.8.2).
export const MSIX_ID = 0x11
export const MSIX_ENABLE = 1 << 15
export const MSIX_FUNCTION_MASK = 1 << 14
export const MSIX_MAX_VECTORS = 2048
/** Of one entry of the table, in bytes and in words of 32 bits: the message's address and data, and the vector's control. */
export const MSIX_ENTRY = 16
export const MSIX_ENTRY_WORDS = 4
export const MSIX_VECTOR_MASK = 1 << 0

export const SLOTS = 32
export const FUNCTIONS = 8
