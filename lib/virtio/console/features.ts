// What a console device and its driver can agree on (virtio 1.2, 5.3.3).

/** The device says how large the first console is. */
export const VIRTIO_CONSOLE_F_SIZE = 1n << 0n
/** There are several ports, or ports that are no consoles, and queues for messages about them. */
export const VIRTIO_CONSOLE_F_MULTIPORT = 1n << 1n
