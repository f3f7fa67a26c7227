import type { Buffers } from '../buffers.js'

/** What messages about ports say (virtio 1.2, 5.3.6.2). */
export const EVENT = {
  DEVICE_READY: 0,
  PORT_ADD: 1,
  PORT_READY: 3,
  CONSOLE_PORT: 4,
  RESIZE: 5,
  PORT_OPEN: 6,
  PORT_NAME: 7,
} as const

/** struct virtio_console_control. */
export interface ControlMessage {
  port: number
  event: number
  value: number
}

const MESSAGE_SIZE = 8

/** Undefined for one that is too short. */
export function readMessage(readable: Buffers): ControlMessage | undefined {
  const bytes = readable.copy(0, MESSAGE_SIZE)
  if (bytes.length < MESSAGE_SIZE) return undefined
  const view = new DataView(bytes.buffer)
  return { port: view.getUint32(0, true), event: view.getUint16(4, true), value: view.getUint16(6, true) }
}

/** `more` is what comes behind it: a name, a size. */
export function writeMessage({ port, event, value }: ControlMessage, more: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(MESSAGE_SIZE + more.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, port, true)
  view.setUint16(4, event, true)
  view.setUint16(6, value, true)
  bytes.set(more, MESSAGE_SIZE)
  return bytes
}
