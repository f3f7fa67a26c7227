// @ts-check

import { spawn } from 'node:child_process'

/**
 * A started lab host: what the supervisor knows of it, whatever emulates it.
 * @typedef {object} Machine
 * @property {import('node:stream').Writable} stdin    of the command
 * @property {import('node:stream').Readable} stdout
 * @property {import('node:stream').Readable} stderr
 * @property {import('node:stream').Readable} console  what the kernel, its init and the emulator say
 * @property {Promise<void>} ready     the command starts now; stays pending when the machine ends before that
 * @property {Promise<number>} status  the command's exit status, when all it wrote has arrived; rejected when the machine ended without one
 * @property {() => void} [look]    has it show on its console what runs in it; not every kind can
 * @property {() => Promise<void>} end ends the emulator at once; resolved when it is gone and every stream is at its end
 */

/** @typedef {(import('node:child_process').IOType | number)[]} Descriptors */

/**
 * Starts an emulator that cannot outlive this process, not even when this process is killed.
 * @param {string} program
 * @param {string[]} args
 * @param {Descriptors} stdio
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 */
export function spawnEmulator(program, args, stdio, options = {}) {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], { ...options, stdio })
  /** @type {Promise<void>} */
  const closed = new Promise((resolve) => {
    child.once('close', () => resolve())
    child.once('error', () => resolve())
  })
  const end = async () => {
    child.kill('SIGKILL')
    await closed
  }
  return { child, closed, end }
}
