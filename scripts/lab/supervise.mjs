// @ts-check
// Starts a machine, connects it to this process, and ends it: when its command ended, at the time limit, when this
// process is told to end, or when nobody reads the output any more.

import { setTimeout as delay } from 'node:timers/promises'
import { LabError } from './errors.mjs'
import { endedBy, TIMED_OUT } from './exit-status.mjs'
import { watchConsole } from './console-log.mjs'

/** @typedef {import('./machine.mjs').Machine} Machine */

/** What must end the machine before it ends this process. */
const SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])

/** Ctrl-D, which a shell on a terminal takes for the end of its input if it is waiting for some: hence repeated. */
const END_OF_INPUT = '\x04'
const END_OF_INPUT_MS = 1000

/** @param {Machine} machine @param {boolean} isTerminal */
function connect(machine, isTerminal) {
  machine.stdout.pipe(process.stdout, { end: false })
  machine.stderr.pipe(process.stderr, { end: false })
  if (!isTerminal) {
    // A terminal's keys stay with the user's shell, so that the lab can run in its background.
    if (process.stdin.isTTY) machine.stdin.end()
    else process.stdin.pipe(machine.stdin)
    return
  }
  void machine.ready.then(() => {
    if (process.stdin.isTTY) process.stdin.setRawMode(true)
    process.stdin.pipe(machine.stdin, { end: false })
    process.stdin.once('end', () => setInterval(() => machine.stdin.write(END_OF_INPUT), END_OF_INPUT_MS).unref())
  })
}

/** A delay that does not keep this process alive. @param {number} seconds */
const after = (seconds) => delay(seconds * 1000, undefined, { ref: false })

/** What a machine needs to show what it does, and this process to read it. */
const LOOK_SECONDS = 10

/**
 * Rejects when the command has printed nothing for so long.
 * @param {Machine} machine
 * @param {number} seconds
 * @returns {Promise<never>}
 */
async function silence(machine, seconds) {
  let heard = performance.now()
  const hear = () => void (heard = performance.now())
  for (const stream of [machine.stdout, machine.stderr]) stream.on('data', hear)
  await machine.ready
  hear()
  for (let left = seconds; left > 0; left = seconds - (performance.now() - heard) / 1000) await after(left)
  machine.look?.()
  await after(LOOK_SECONDS)
  throw new LabError(`The command has printed nothing for ${seconds} s.`)
}

/**
 * @param {() => Machine | Promise<Machine>} start
 * @param {{ timeout: number | undefined, silence: number | undefined, bootSeconds: number, verbose: boolean, isTerminal: boolean }} options
 * @returns {Promise<number>} the exit status for this process
 */
export async function supervise(start, { timeout, silence: patience, bootSeconds, verbose, isTerminal }) {
  // Listen before there is a machine to end.
  /** @type {Promise<number>} */
  const told = new Promise((resolve) => {
    for (const signal of SIGNALS) process.once(signal, () => resolve(endedBy(signal)))
    for (const stream of [process.stdout, process.stderr]) stream.once('error', () => resolve(endedBy('SIGPIPE')))
  })

  const machine = await start()
  const log = watchConsole(machine.console, verbose)
  connect(machine, isTerminal)

  let isReady = false
  const limit = machine.ready.then(() => {
    isReady = true
    if (timeout === undefined) return machine.status
    return after(timeout).then(() => {
      process.stderr.write(`lab: the time limit of ${timeout} s is reached\n`)
      return TIMED_OUT
    })
  })
  const boot = after(bootSeconds).then(() => {
    if (isReady) return machine.status
    throw new LabError(`The machine did not start within ${bootSeconds} s.`)
  })

  try {
    const silent = patience === undefined ? machine.status : silence(machine, patience)
    return await Promise.race([machine.status, limit, silent, boot, told])
  } catch (error) {
    if (!(error instanceof LabError)) throw error
    throw new LabError([error.message, log.tail()].filter(Boolean).join('\n'), { cause: error })
  } finally {
    await machine.end()
    if (process.stdin.isTTY) process.stdin.setRawMode(false)
  }
}
