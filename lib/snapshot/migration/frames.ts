import { KvmError } from '../../errors.js'

/** What each side says first: whose language this is, and its version. */
const MAGIC = Buffer.from('node-kvm migrate')
const VERSION = 1
export const GREETING_BYTES = MAGIC.length + 4
/** Before each message: how long it is, and what. */
export const HEAD_BYTES = 8

/** How much of memory is sent in one message, in bytes. */
export const MOST_MEMORY = 2 ** 20

/**
 * The messages: what each one's number is, and how long it may be, in bytes. First those of the source, then those of the target.
 * What they mean is in docs/migration.md.
 */
export const MESSAGES = {
  announce: { type: 1, most: 2 ** 18 },
  pages: { type: 2, most: 8 + MOST_MEMORY },
  zeros: { type: 3, most: 16 },
  round: { type: 4, most: 4 },
  state: { type: 5, most: 2 ** 26 },
  go: { type: 6, most: 0 },
  ask: { type: 7, most: 36 },
  ready: { type: 16, most: 0 },
  counted: { type: 17, most: 4 },
  restored: { type: 18, most: 0 },
  started: { type: 19, most: 0 },
  answer: { type: 20, most: 16 },
  refuse: { type: 21, most: 4096 },
} as const

export type MessageName = keyof typeof MESSAGES

export interface Message {
  name: MessageName
  body: Buffer
}

const byType = new Map<number, MessageName>(
  Object.entries(MESSAGES).map(([name, { type }]) => [type, name as MessageName]),
)

export function encodeGreeting(): Buffer {
  const bytes = Buffer.alloc(GREETING_BYTES)
  MAGIC.copy(bytes)
  bytes.writeUInt32LE(VERSION, MAGIC.length)
  return bytes
}

/** Throws `ERR_KVM_MIGRATION` where somebody else speaks, or another version. */
export function checkGreeting(bytes: Buffer): void {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw malformed('the other side is no node-kvm that migrates')
  const version = bytes.readUInt32LE(MAGIC.length)
  if (version === VERSION) return
  throw malformed(`the other side speaks version ${version} of this protocol, and this library version ${VERSION}`)
}

/** A message whose body is in these parts, as one piece of memory. */
export function encodeMessage(name: MessageName, ...parts: readonly Uint8Array[]): Buffer {
  const { type, most } = MESSAGES[name]
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  if (length > most) throw malformed(`a message '${name}' would have ${length} bytes, more than ${most}`)
  const head = Buffer.alloc(HEAD_BYTES)
  head.writeUInt32LE(length, 0)
  head.writeUInt32LE(type, 4)
  return Buffer.concat([head, ...parts])
}

/** What follows, and how long it is. Nothing has been allocated for it yet. */
export function decodeHead(head: Buffer): { name: MessageName; length: number } {
  const [length, type] = [head.readUInt32LE(0), head.readUInt32LE(4)]
  const name = byType.get(type)
  if (name === undefined) throw malformed(`there is no message with the number ${type}`)
  const { most } = MESSAGES[name]
  if (length > most) throw malformed(`a message '${name}' has ${length} bytes, more than ${most}`)
  return { name, length }
}

/** A stretch of memory in a message: where it begins. What is said of it is checked by who knows the memory. */
export function encodeAddress(address: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(address))
  return bytes
}

/** A number of 64 bits; what is larger than any address is so, still. */
export function decodeNumber(body: Buffer, offset: number): number {
  if (body.length < offset + 8) throw malformed('a message about memory is too short')
  return Number(body.readBigUInt64LE(offset))
}

export function encodeUint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

export function decodeUint32(body: Buffer): number {
  if (body.length !== 4) throw malformed('a message with a number is too short')
  return body.readUInt32LE(0)
}

export function decodeJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch (cause) {
    throw malformed('a message is not JSON', cause)
  }
}

export function malformed(why: string, cause?: unknown): KvmError {
  return new KvmError('ERR_KVM_MIGRATION', `the machine was not moved: ${why}`, cause === undefined ? {} : { cause })
}
