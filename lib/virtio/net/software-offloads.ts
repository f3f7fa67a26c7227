import { COMPLETE, featuresOf, GSO_ECN, GSO_NONE, GSO_TCPV4, type NetHeader } from './header.js'

/** A large segment becomes at most so many frames: one that would become more is no sensible one. */
const MAX_FRAMES = 256
/** How long its headers may be: each of the frames gets them. */
const MAX_HEADERS = 512

// IPv4 (RFC 791) and IPv6 (RFC 8200), from their header's beginning.
const IPV4_TOTAL_LENGTH = 2
const IPV4_ID = 4
const IPV4_CHECKSUM = 10
const IPV4_ADDRESSES = 12
const IPV4_MIN_HEADER = 20
const IPV6_PAYLOAD_LENGTH = 4
const IPV6_ADDRESSES = 8
const IPV6_HEADER = 40
const IP_ADDRESSES_END = { 4: 20, 6: 40 } as const
// TCP (RFC 9293).
const TCP_SEQUENCE = 4
const TCP_DATA_OFFSET = 12
const TCP_FLAGS = 13
const TCP_CHECKSUM = 16
const TCP_MIN_HEADER = 20
const TCP_PROTOCOL = 6
const FIN = 0x01
const PSH = 0x08
const CWR = 0x80
// Ethernet.
const ETHERNET = 14
const ETHER_TYPE = 12
const VLAN_TAG = 4
const VLAN_TYPES = [0x8100, 0x88a8]

/**
 * A frame as a driver with these features takes it: as it is, with its checksum complete, or as several. None, when its headers
 * are not what the frame's own header says.
 */
export function complete(frame: Uint8Array, header: NetHeader, features: bigint): [Uint8Array, NetHeader][] {
  const needed = featuresOf(header, frame.length, 'receive')
  if (needed === undefined) return []
  if ((needed & ~features) === 0n) return [[frame, header]]
  if (header.gso_type !== GSO_NONE) return segments(frame, header).map((segment) => [segment, COMPLETE])
  return [[withChecksum(frame, header), COMPLETE]]
}

/** The checksum field has the sum of the pseudo header, and is counted with the rest. */
function withChecksum(frame: Uint8Array, { csum_start: start, csum_offset: offset }: NetHeader): Uint8Array {
  const done = frame.slice()
  const sum = fold(sumOf(frame, start, frame.length))
  // Zero would say that there is none (RFC 768); it counts like all ones.
  viewOf(done).setUint16(start + offset, ~sum & 0xffff || 0xffff)
  return done
}

function segments(frame: Uint8Array, header: NetHeader): Uint8Array[] {
  const view = viewOf(frame)
  const ip = ipHeaderAt(view)
  const tcp = header.csum_start
  const version = (header.gso_type & ~GSO_ECN) === GSO_TCPV4 ? 4 : 6
  const ipHeader = version === 4 ? IPV4_MIN_HEADER : IPV6_HEADER
  if (tcp < ip + ipHeader || tcp + TCP_MIN_HEADER > frame.length || view.getUint8(ip) >> 4 !== version) return []
  const payload = tcp + 4 * (view.getUint8(tcp + TCP_DATA_OFFSET) >> 4)
  const count = Math.ceil((frame.length - payload) / header.gso_size)
  if (
    payload < tcp + TCP_MIN_HEADER ||
    payload > MAX_HEADERS ||
    header.csum_offset !== TCP_CHECKSUM ||
    !(count >= 1 && count <= MAX_FRAMES)
  )
    return []
  return Array.from({ length: count }, (_, index) => {
    const start = payload + index * header.gso_size
    const data = frame.subarray(start, start + header.gso_size)
    const segment = new Uint8Array(payload + data.length)
    segment.set(frame.subarray(0, payload))
    segment.set(data, payload)
    finishTcp(segment, { tcp, index, isLast: index === count - 1, skipped: index * header.gso_size })
    finishIp(segment, { ip, tcp, version, index })
    return segment
  })
}

function finishTcp(segment: Uint8Array, at: { tcp: number; index: number; isLast: boolean; skipped: number }): void {
  const view = viewOf(segment)
  view.setUint32(at.tcp + TCP_SEQUENCE, view.getUint32(at.tcp + TCP_SEQUENCE) + at.skipped)
  const flags = view.getUint8(at.tcp + TCP_FLAGS)
  view.setUint8(at.tcp + TCP_FLAGS, flags & ~(at.isLast ? 0 : FIN | PSH) & ~(at.index === 0 ? 0 : CWR))
}

function finishIp(segment: Uint8Array, at: { ip: number; tcp: number; version: 4 | 6; index: number }): void {
  const { ip, tcp, version } = at
  const view = viewOf(segment)
  const length = segment.length - ip
  if (version === 4) {
    view.setUint16(ip + IPV4_TOTAL_LENGTH, length)
    view.setUint16(ip + IPV4_ID, view.getUint16(ip + IPV4_ID) + at.index)
    view.setUint16(ip + IPV4_CHECKSUM, 0)
    view.setUint16(ip + IPV4_CHECKSUM, ~fold(sumOf(segment, ip, tcp)))
  } else view.setUint16(ip + IPV6_PAYLOAD_LENGTH, length - IPV6_HEADER)
  const addresses = version === 4 ? IPV4_ADDRESSES : IPV6_ADDRESSES
  view.setUint16(tcp + TCP_CHECKSUM, 0)
  const sum = sumOf(segment, ip + addresses, ip + IP_ADDRESSES_END[version]) + TCP_PROTOCOL + segment.length - tcp
  view.setUint16(tcp + TCP_CHECKSUM, ~fold(sum + sumOf(segment, tcp, segment.length)))
}

function ipHeaderAt(view: DataView): number {
  return VLAN_TYPES.includes(view.getUint16(ETHER_TYPE)) ? ETHERNET + VLAN_TAG : ETHERNET
}

/** The sum of 16-bit words (RFC 1071), not folded: below 2^53 for any frame. */
function sumOf(bytes: Uint8Array, start: number, end: number): number {
  let sum = 0
  for (let at = start; at + 1 < end; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  if ((end - start) % 2 === 1) sum += (bytes[end - 1] ?? 0) << 8
  return sum
}

function fold(sum: number): number {
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000)
  return sum
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
