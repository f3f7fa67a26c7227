// Virtio over PCI (virtio 1.2, 4.1).

export const VENDOR = 0x1af4
/** A device's number is this and its kind. */
export const FIRST_DEVICE = 0x1040
/** 0 would be one of before virtio 1.0, too. */
export const REVISION = 1
export const SUBSYSTEM = 0x1100

// The common configuration (4.1.4.3): offsets from its beginning.
export const DEVICE_FEATURE_SELECT = 0x00
export const DEVICE_FEATURE = 0x04
export const DRIVER_FEATURE_SELECT = 0x08
export const DRIVER_FEATURE = 0x0c
export const CONFIG_MSIX_VECTOR = 0x10
export const NUM_QUEUES = 0x12
export const DEVICE_STATUS = 0x14
export const CONFIG_GENERATION = 0x15
export const QUEUE_SELECT = 0x16
export const QUEUE_SIZE = 0x18
export const QUEUE_MSIX_VECTOR = 0x1a
export const QUEUE_ENABLE = 0x1c
export const QUEUE_NOTIFY_OFF = 0x1e
export const QUEUE_DESC = 0x20
export const QUEUE_DRIVER = 0x28
export const QUEUE_DEVICE = 0x30
export const QUEUE_RESET = 0x3a
export const COMMON_LENGTH = 0x3c
export const NO_VECTOR = 0xffff

/** Where the parts of a device are in its BAR, each on pages of its own. */
export const BAR = 0
export const COMMON = 0x0000
export const ISR = 0x1000
export const DEVICE = 0x2000
export const NOTIFY = 0x3000
export const BAR_LENGTH = 0x4000
export const PART_LENGTH = 0x1000
/** Bytes from one queue's doorbell to the next one's. */
export const NOTIFY_MULTIPLIER = 4
export const MAX_QUEUES = PART_LENGTH / NOTIFY_MULTIPLIER

// The ISR status (4.1.4.5).
export const QUEUE_INTERRUPT = 1
export const CONFIG_INTERRUPT = 2

// Capabilities (4.1.4): what kind each one is, and offsets behind a capability's number and link.
export const VENDOR_CAPABILITY = 0x09
export const COMMON_CFG = 1
export const NOTIFY_CFG = 2
export const ISR_CFG = 3
export const DEVICE_CFG = 4
export const PCI_CFG = 5
export const CAP_LENGTH = 0
export const CAP_KIND = 1
export const CAP_BAR = 2
export const CAP_OFFSET = 6
export const CAP_SIZE = 10
/** The multiplier of a notify capability, and the data window of a PCI configuration access. */
export const CAP_EXTRA = 14

/** Base class, subclass and interface by kind: firmware and tools go by it, drivers do not. */
export const CLASSES: Readonly<Record<number, number>> = {
  1: 0x02_00_00, // network
  2: 0x01_80_00, // block
  3: 0x07_80_00, // console
  16: 0x03_80_00, // GPU
  18: 0x09_80_00, // input
  19: 0x02_80_00, // vsock
  26: 0x01_80_00, // file system
}
export const OTHER_CLASS = 0xff_00_00
