// The registers of virtio over MMIO, version 2 (virtio 1.2, 4.2.2).
export const MAGIC_VALUE = 0x000
export const VERSION = 0x004
export const DEVICE_ID = 0x008
export const VENDOR_ID = 0x00c
export const DEVICE_FEATURES = 0x010
export const DEVICE_FEATURES_SEL = 0x014
export const DRIVER_FEATURES = 0x020
export const DRIVER_FEATURES_SEL = 0x024
export const QUEUE_SEL = 0x030
export const QUEUE_NUM_MAX = 0x034
export const QUEUE_NUM = 0x038
export const QUEUE_READY = 0x044
export const QUEUE_NOTIFY = 0x050
export const INTERRUPT_STATUS = 0x060
export const INTERRUPT_ACK = 0x064
export const STATUS = 0x070
export const QUEUE_DESC_LOW = 0x080
export const QUEUE_DRIVER_LOW = 0x090
export const QUEUE_DEVICE_LOW = 0x0a0
export const SHM_LEN_LOW = 0x0b0
export const QUEUE_RESET = 0x0c0
export const CONFIG_GENERATION = 0x0fc
export const CONFIG = 0x100

/** How much a device takes: its registers, and 256 bytes of configuration space. */
export const MMIO_LENGTH = 0x200
/** `virt`, little-endian. */
export const MAGIC = 0x7472_6976
export const CURRENT_VERSION = 2

// The interrupt status.
export const USED_BUFFER = 1
export const CONFIG_CHANGE = 2
