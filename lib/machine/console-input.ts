import type { Readable } from 'node:stream'

import type { Serial } from '../devices/serial.js'
import { KvmError } from '../errors.js'
import { describeThrown } from '../format.js'

/** What was read from a stream, and not by a guest before its life ended: the next one reads it first. */
const unread = new WeakMap<Readable, Uint8Array>()

/** A stream at a serial line. */
export interface ConsoleInput {
  /** The guest has read: there is room for more. */
  resume: () => void
  detach: () => void
}

/** Feeds a stream to the serial line, no faster than the guest reads. */
export function connectInput(
  input: Readable,
  device: Serial,
  name: string,
  fail: (error: KvmError) => void,
): ConsoleInput {
  let rest = unread.get(input) ?? new Uint8Array(0)
  const push = () => {
    rest = rest.subarray(device.receive(rest))
    if (rest.length > 0) input.pause()
    else input.resume()
  }
  const onError = (cause: unknown) => {
    fail(
      new KvmError('ERR_KVM_DEVICE_FAILED', `the input of ${name} failed: ${describeThrown(cause)}`, {
        operands: { device: name },
        cause,
      }),
    )
  }
  const onData = (chunk: unknown) => {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    if (!(bytes instanceof Uint8Array)) {
      input.pause()
      onError(new TypeError('the stream gave something that is neither bytes nor text'))
      return
    }
    rest = rest.length > 0 ? Buffer.concat([rest, bytes]) : bytes
    push()
  }
  unread.delete(input)
  input.on('data', onData).on('error', onError)
  push() // an earlier life of the guest has paused it
  return {
    resume: push,
    detach: () => {
      input.off('data', onData).off('error', onError)
      input.pause()
      unread.set(input, Buffer.concat([Uint8Array.from(device.save().backlog), rest]))
    },
  }
}
