import * as F from './features.js'

/**
 * What goes before a frame, struct virtio_net_hdr_v1 (virtio 1.2, 5.1.6): what is still to be done to it. `num_buffers` is the
 * receive queue's own.
 */
export interface NetHeader {
  /** VIRTIO_NET_HDR_F_NEEDS_CSUM (1) and VIRTIO_NET_HDR_F_DATA_VALID (2). */
  flags: number
  /** VIRTIO_NET_HDR_GSO_NONE (0) and so on. */
  gso_type: number
  /** How long the headers of a large segment are: a hint. */
  hdr_len: number
  /** How much of a large segment goes into each frame, without headers. */
  gso_size: number
  /** From where on the checksum counts, from the frame's beginning. */
  csum_start: number
  /** Where it is put, from there on. */
  csum_offset: number
}

export const HEADER_SIZE = 12
/** The checksum is that of the pseudo header only. */
export const NEEDS_CSUM = 1
/** The checksum has been found right. */
export const DATA_VALID = 2
export const GSO_NONE = 0
export const GSO_TCPV4 = 1
export const GSO_TCPV6 = 4
/** Beside one of the two. */
export const GSO_ECN = 0x80

/** An Ethernet header: two addresses and a type. */
export const MIN_FRAME = 14
/** With its header, the most that a driver sends or takes: 65,562 bytes (virtio 1.2, 5.1.6.3.1). */
export const MAX_FRAME = 65_562 - HEADER_SIZE

/** Of a frame that is complete. */
export const COMPLETE: NetHeader = Object.freeze({
  flags: 0,
  gso_type: GSO_NONE,
  hdr_len: 0,
  gso_size: 0,
  csum_start: 0,
  csum_offset: 0,
})

const CSUM_SIZE = 2

export function readHeader(bytes: Uint8Array): NetHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_SIZE)
  return {
    flags: view.getUint8(0),
    gso_type: view.getUint8(1),
    hdr_len: view.getUint16(2, true),
    gso_size: view.getUint16(4, true),
    csum_start: view.getUint16(6, true),
    csum_offset: view.getUint16(8, true),
  }
}

export function writeHeader(header: NetHeader, buffers: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, header.flags)
  view.setUint8(1, header.gso_type)
  view.setUint16(2, header.hdr_len, true)
  view.setUint16(4, header.gso_size, true)
  view.setUint16(6, header.csum_start, true)
  view.setUint16(8, header.csum_offset, true)
  view.setUint16(10, buffers, true)
  return bytes
}

/** Which features a frame with this header asks for; undefined when there is no such frame of this length. */
export function featuresOf(header: NetHeader, length: number, direction: 'send' | 'receive'): bigint | undefined {
  const { flags, gso_type: type } = header
  const needsChecksum = (flags & NEEDS_CSUM) !== 0
  if (needsChecksum && header.csum_start + header.csum_offset + CSUM_SIZE > length) return undefined
  const isSent = direction === 'send'
  let features = needsChecksum ? (isSent ? F.VIRTIO_NET_F_CSUM : F.VIRTIO_NET_F_GUEST_CSUM) : 0n
  if (type === GSO_NONE) return features
  // Each of the smaller frames gets its own checksum.
  if (!needsChecksum || header.gso_size === 0 || header.hdr_len > length) return undefined
  const version = type & ~GSO_ECN
  if (version === GSO_TCPV4) features |= isSent ? F.VIRTIO_NET_F_HOST_TSO4 : F.VIRTIO_NET_F_GUEST_TSO4
  else if (version === GSO_TCPV6) features |= isSent ? F.VIRTIO_NET_F_HOST_TSO6 : F.VIRTIO_NET_F_GUEST_TSO6
  else return undefined
  if ((type & GSO_ECN) !== 0) features |= isSent ? F.VIRTIO_NET_F_HOST_ECN : F.VIRTIO_NET_F_GUEST_ECN
  return features
}
