// Feature bits that belong to queues and transports, and not to a kind of device (virtio 1.2, chapter 6).

/** A descriptor can name a table of descriptors. */
export const VIRTIO_F_INDIRECT_DESC = 1n << 28n
/** Both sides say with which buffer they want to hear of the next ones. */
export const VIRTIO_F_EVENT_IDX = 1n << 29n
/** The device keeps to virtio 1.0 and later, and not to what was before. */
export const VIRTIO_F_VERSION_1 = 1n << 32n
/** The queues are packed rings. */
export const VIRTIO_F_RING_PACKED = 1n << 34n
/** The driver can take a queue back, and use it anew. */
export const VIRTIO_F_RING_RESET = 1n << 40n

/** What the queues of every device can do. */
export const QUEUE_FEATURES =
  VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED | VIRTIO_F_RING_RESET
