// What the driver and the device have agreed on (virtio 1.2, 5.2).

export const F_SEG_MAX = 1n << 2n
export const F_RO = 1n << 5n
export const F_BLK_SIZE = 1n << 6n
export const F_FLUSH = 1n << 9n
export const F_TOPOLOGY = 1n << 10n
export const F_CONFIG_WCE = 1n << 11n
export const F_MQ = 1n << 12n
export const F_DISCARD = 1n << 13n
export const F_WRITE_ZEROES = 1n << 14n

// struct virtio_blk_req: what the driver asks for, the sector, the data, the status (5.2.6).
export const HEADER_SIZE = 16
export const HEADER_SECTOR = 8
export const STATUS_SIZE = 1

export const T_IN = 0
export const T_OUT = 1
export const T_FLUSH = 4
export const T_GET_ID = 8
export const T_DISCARD = 11
export const T_WRITE_ZEROES = 13

export const S_OK = 0
export const S_IOERR = 1
export const S_UNSUPP = 2

/** How long a disk's id is. */
export const ID_SIZE = 20

// struct virtio_blk_discard_write_zeroes.
export const SEGMENT_SIZE = 16
export const SEGMENT_SECTORS = 8
export const SEGMENT_FLAGS = 12
export const SEGMENT_UNMAP = 1
/** How many of them a request may have, and how many sectors each: 1 GiB. */
export const MAX_SEGMENTS = 16
export const MAX_SEGMENT_SECTORS = 2 ** 21
