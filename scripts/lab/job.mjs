// @ts-check

import { assignments, quote } from './shell.mjs'

/**
 * What is to be run inside, complete and checked: hosts need not ask what was left out.
 * @typedef {object} Job
 * @property {readonly string[]} command
 * @property {string} folder               the working folder, the same path outside and inside
 * @property {Record<string, string>} environment
 * @property {string} output               the folder whose content comes back, the same path outside and inside
 * @property {readonly Share[]} shares
 * @property {number} cpus
 * @property {number} memory               MiB
 * @property {Readonly<Record<string, string>>} choices  one of each of the host's
 * @property {Terminal | undefined} terminal  the command runs on a terminal of this size; else on pipes
 */

/**
 * @typedef {object} Share
 * @property {string} source  a path outside
 * @property {string} target  where it is seen inside
 */

/** @typedef {{ rows: number, columns: number }} Terminal */

/** What an environment carries but a shell cannot set is left out. */
const SHELL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** The job's command as a shell script, so that every argument arrives as it was given. @param {Job} job */
export function commandScript(job) {
  const environment = Object.fromEntries(Object.entries(job.environment).filter(([name]) => SHELL_NAME.test(name)))
  return [
    '#!/bin/sh\n',
    'set -a\n',
    assignments(environment),
    'set +a\n',
    `cd ${quote(job.folder)} || exit 125\n`,
    `exec ${job.command.map(quote).join(' ')}\n`,
  ].join('')
}
