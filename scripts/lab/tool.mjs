// @ts-check
// Runs a program to its end and returns what it printed.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { LabError } from './errors.mjs'

const execute = promisify(execFile)

/**
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string }} [options]
 */
export async function run(program, args, options = {}) {
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' }
    return (await execute(program, args, { ...options, env, maxBuffer: 64 * 1024 * 1024 })).stdout
  } catch (cause) {
    const { stderr, message } = /** @type {{ stderr?: string, message: string }} */ (cause)
    throw new LabError(`${program} ${args.join(' ')}\n${stderr || message}`.trimEnd(), { cause })
  }
}
