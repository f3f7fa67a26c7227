// @ts-check
// What an init script says on its control port, a line each: `ready`, and `exit STATUS BYTES BYTES` with how much the
// command wrote to its standard output and errors.

import { once } from 'node:events'
import { LabError } from './errors.mjs'

/** @typedef {import('node:stream').Readable} Readable */

/** Resolves when this many bytes have come through. @param {Readable} stream */
function counted(stream) {
  let received = 0
  stream.on('data', (/** @type {Buffer} */ chunk) => void (received += chunk.length))
  /** @param {number} expected */
  return async (expected) => {
    while (received < expected) await Promise.race([once(stream, 'data'), once(stream, 'close')])
  }
}

/**
 * @param {Readable} control
 * @param {readonly Readable[]} streams  the command's, in the order of the byte counts
 * @param {Promise<void>} closed         the machine has ended
 * @returns {Pick<import('./machine.mjs').Machine, 'ready' | 'status'>}
 */
export function followControl(control, streams, closed) {
  const arrivals = streams.map(counted)
  /** @type {() => void} */
  let announce = () => {}
  /** @type {Promise<void>} */
  const ready = new Promise((resolve) => (announce = resolve))

  /** @type {Promise<number>} */
  const status = new Promise((resolve, reject) => {
    let received = ''
    control.setEncoding('latin1').on('data', (/** @type {string} */ text) => {
      received += text
      if (received.startsWith('ready\n')) announce()
      const [, code, ...bytes] = /^exit (\d+) (\d+) (\d+)\n/m.exec(received) ?? []
      if (code === undefined) return
      const all = arrivals.map((arrived, index) => arrived(Number(bytes[index])))
      void Promise.all(all).then(() => resolve(Number(code)))
    })
    void closed.then(() => reject(new LabError('The machine ended before its command did.')))
  })
  return { ready, status }
}
