// @ts-check
// The kinds of host. A new kind is a file beside this one and a line in the list.

import { amd } from './amd.mjs'
import { intel } from './intel.mjs'

/** @typedef {import('../machine.mjs').Machine} Machine */

/**
 * @typedef {object} Host
 * @property {string} name
 * @property {NodeJS.Architecture} architecture  the lab runs this machine's own node inside
 * @property {{ cpus: number, memory: number }} defaults  memory in MiB
 * @property {boolean} sharesFiles  everything here is seen inside, so that the test suite can run there
 * @property {number} bootSeconds  how long a start may take before it counts as failed
 * @property {readonly import('../packages.mjs').Step[]} steps  what must be there before a start
 * @property {(job: import('../job.mjs').Job) => Machine | Promise<Machine>} start
 */

/** @type {ReadonlyMap<string, Host>} */
export const hosts = new Map([amd, intel].map((host) => [host.name, host]))
