/**
 * Loaded into an example's process by `node-kvm example --trace`: prints every exit of every vCPU to standard error.
 *
 * An example may run its guest without ever coming back to the event loop. So it waits here for the reader.
 */
import { writeSync } from 'node:fs'
import { codeOf } from './error-code.js'
import { traceExits } from './trace-exits.js'

/** How long it is waited until the reader is asked again, in milliseconds. */
const WAIT = 5

traceExits((line) => {
  for (let rest = Buffer.from(`${line}\n`); rest.length > 0;) {
    try {
      rest = rest.subarray(writeSync(2, rest))
    } catch (error) {
      // Somebody has made it non-blocking, Node itself for a pipe of which it has made a stream.
      if (codeOf(error) !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT)
    }
  }
})
