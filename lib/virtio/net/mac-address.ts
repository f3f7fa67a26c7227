import { randomBytes } from 'node:crypto'
import { invalidArgument } from '../../validate.js'

export const MAC_LENGTH = 6
/** In the first byte: addresses a group. */
const GROUP = 1
// The prefix by which KVM's guests are known.
const PREFIX = [0x52, 0x54, 0x00]
const HIGH = 2 ** 32

/** `52:54:00:12:34:56` */
export function parseMac(name: string, text: unknown): Uint8Array {
  if (typeof text === 'string' && /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) {
    const bytes = Uint8Array.from(text.split(':'), (byte) => Number.parseInt(byte, 16))
    if (!isGroup(bytes, 0) && bytes.some((byte) => byte !== 0)) return bytes
  }
  throw invalidArgument(name, text, 'the address of one station, such as 52:54:00:12:34:56')
}

export function formatMac(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':')
}

export function randomMac(): Uint8Array {
  return Uint8Array.of(...PREFIX, ...randomBytes(MAC_LENGTH - PREFIX.length))
}

/** Whether the address at `offset` is one of many stations. */
export function isGroup(frame: Uint8Array, offset: number): boolean {
  return ((frame[offset] ?? 0) & GROUP) !== 0
}

/** The address at `offset` as a number, by which it can be looked up. */
export function macKey(frame: Uint8Array, offset: number): number {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = frame.subarray(offset, offset + MAC_LENGTH)
  return ((a << 8) | b) * HIGH + (((c << 24) | (d << 16) | (e << 8) | f) >>> 0)
}

export const BROADCAST = 2 ** 48 - 1
