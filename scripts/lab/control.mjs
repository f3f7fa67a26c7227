// @ts-check
// What an init script says on its control port, a line each: `ready`, `alive` every few seconds (not from every host
// kind), and `exit STATUS BYTES BYTES` with how much the command wrote to its standard output and errors.

import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { LabError } from './errors.mjs'

/** @typedef {import('node:stream').Readable} Readable */

/**
 * A machine that has said `alive` and is silent for so long has stopped for good. Before that it is woken, again and
 * again: QEMU's emulation now and then loses the interrupt of a timer while KVM runs a guest in it, and then nobody sets
 * the timer again until another interrupt comes, such as that of a line here. (This process itself may have been
 * stopped, and finds what has come meanwhile after its timers.)
 */
const STANDSTILL_MS = 120_000
const WAKE_MS = 10_000

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
 * @param {() => void} [wake]            has the machine take an interrupt
 * @returns {Pick<import('./machine.mjs').Machine, 'ready' | 'status'>}
 */
export function followControl(control, streams, closed, wake = () => {}) {
  const arrivals = streams.map(counted)
  /** @type {() => void} */
  let announce = () => {}
  /** @type {Promise<void>} */
  const ready = new Promise((resolve) => (announce = resolve))

  /** @type {Promise<number>} */
  const status = new Promise((resolve, reject) => {
    /** @type {NodeJS.Timeout | undefined} */
    let standstill
    let silence = 0
    const listen = () => {
      standstill = setTimeout(() => {
        silence += WAKE_MS
        if (silence < STANDSTILL_MS) {
          wake()
          listen()
        } else reject(new LabError(`The machine stands still: nothing has run in it for ${STANDSTILL_MS / 1000} s.`))
      }, WAKE_MS).unref()
    }
    /** @type {Record<string, (...rest: string[]) => void>} */
    const lines = {
      ready: announce,
      alive() {
        clearTimeout(standstill)
        if (silence > 0)
          process.stderr.write(`lab: the machine had stood still for ${silence / 1000} s; it was woken\n`)
        silence = 0
        listen()
      },
      exit(code, ...bytes) {
        const all = arrivals.map((arrived, index) => arrived(Number(bytes[index])))
        void Promise.all(all).then(() => resolve(Number(code)))
      },
    }
    createInterface({ input: control }).on('line', (line) => {
      const [word = '', ...rest] = line.split(' ')
      lines[word]?.(...rest)
    })
    void closed.then(() => reject(new LabError('The machine ended before its command did.')))
  })
  return { ready, status }
}
