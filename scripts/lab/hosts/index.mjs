// @ts-check
// The kinds of host. A new kind is a file beside this one and a line in the list.

import { amd } from './amd.mjs'
import { arm64 } from './arm64.mjs'
import { intel } from './intel.mjs'

/** @typedef {import('../machine.mjs').Machine} Machine */

/** What an option can be, the usual one first. @typedef {Readonly<Record<string, readonly string[]>>} Choices */

/**
 * @typedef {object} Host
 * @property {string} name
 * @property {NodeJS.Architecture | undefined} architecture  where this machine's own programs run inside; any machine will do for a kind that brings its own
 * @property {{ cpus: number, memory: number }} defaults  memory in MiB
 * @property {Choices} [choices]  what else can be chosen of it, by the option's name
 * @property {boolean} sharesFiles  everything here is seen inside, so that the test suite can run there
 * @property {number} bootSeconds  how long a start may take before it counts as failed
 * @property {readonly import('../packages.mjs').Step[]} steps  what must be there before a start
 * @property {(job: import('../job.mjs').Job) => Machine | Promise<Machine>} start
 */

/** @type {ReadonlyMap<string, Host>} */
export const hosts = new Map([amd, arm64, intel].map((host) => [host.name, host]))
