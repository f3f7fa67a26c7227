// What a network device and its driver can agree on (virtio 1.2, 5.1.3).

/** The device completes the checksums of frames that it is sent. */
export const VIRTIO_NET_F_CSUM = 1n << 0n
/** The driver takes frames whose checksum is not complete. */
export const VIRTIO_NET_F_GUEST_CSUM = 1n << 1n
/** The device says how large frames may be. */
export const VIRTIO_NET_F_MTU = 1n << 3n
/** The device has an address. */
export const VIRTIO_NET_F_MAC = 1n << 5n
/** The driver takes TCP segments that are larger than a frame: over IPv4, over IPv6, with congestion notification. */
export const VIRTIO_NET_F_GUEST_TSO4 = 1n << 7n
export const VIRTIO_NET_F_GUEST_TSO6 = 1n << 8n
export const VIRTIO_NET_F_GUEST_ECN = 1n << 9n
/** The device takes them. */
export const VIRTIO_NET_F_HOST_TSO4 = 1n << 11n
export const VIRTIO_NET_F_HOST_TSO6 = 1n << 12n
export const VIRTIO_NET_F_HOST_ECN = 1n << 13n
/** A frame may be spread over several receive buffers. */
export const VIRTIO_NET_F_MRG_RXBUF = 1n << 15n
/** The link can be up or down. */
export const VIRTIO_NET_F_STATUS = 1n << 16n
/** There is a queue for commands. */
export const VIRTIO_NET_F_CTRL_VQ = 1n << 17n
/** Commands say which frames are received: all, none of a kind, those of a list. */
export const VIRTIO_NET_F_CTRL_RX = 1n << 18n
export const VIRTIO_NET_F_CTRL_RX_EXTRA = 1n << 20n
/** The device can ask the driver to tell the network where it is. */
export const VIRTIO_NET_F_GUEST_ANNOUNCE = 1n << 21n
/** There are several pairs of queues. */
export const VIRTIO_NET_F_MQ = 1n << 22n
/** A command sets the address. */
export const VIRTIO_NET_F_CTRL_MAC_ADDR = 1n << 23n

/** What a driver may leave to the device, of the frames that it sends. */
export const SEND_OFFLOADS = VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_HOST_ECN
/** What a driver may leave undone, of the frames that it receives. */
export const RECEIVE_OFFLOADS =
  VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_GUEST_ECN
