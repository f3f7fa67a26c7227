import type { Readable } from 'node:stream'

import { KvmError } from '../errors.js'
import { describeThrown } from '../format.js'

/** What was read from a stream, and not by a guest before its life ended: the next one reads it first. */
const unread = new WeakMap<Readable, Uint8Array>()

/** A guest's end of a line. */
export interface InputLine {
  /** Returns how many bytes were taken. When there is room for the rest, {@link ConsoleInput.resume} is to be called. */
  receive(bytes: Uint8Array): number
  /** What it has taken, and the guest has not read. Default: nothing. */
  unread?(): Uint8Array
}

/** A stream at such a line. */
export interface ConsoleInput {
  /** The guest has read: there is room for more. */
  resume: () => void
  detach: () => void
}

/** Feeds a stream to the line, no faster than the guest reads. */
export function connectInput(
  input: Readable,
  line: InputLine,
  name: string,
  fail: (error: KvmError) => void,
): ConsoleInput {
  let rest = unread.get(input) ?? new Uint8Array(0)
  const push = () => {
    rest = rest.subarray(line.receive(rest))
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
      unread.set(input, Buffer.concat([line.unread?.() ?? new Uint8Array(0), rest]))
    },
  }
}
