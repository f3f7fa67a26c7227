// @ts-check
// Whether a prebuilt addon is newer than what it is made from.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const makers = ['scripts/prebuild.mjs', 'scripts/prebuild']

/** What is compiled. */
export const sources = ['binding.gyp', 'native']

/** @param {string} arch */
export const addonPath = (arch) => join(root, `prebuilds/linux-${arch}/node-kvm.node`)

/** @param {string} arch */
export function isFresh(arch) {
  const made = newest(addonPath(arch))
  return [...sources, ...makers].every((path) => newest(join(root, path)) <= made)
}

/**
 * When a file, or the newest file in a folder, was written; 0 when there is none.
 * @param {string} path
 * @returns {number}
 */
function newest(path) {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) return 0
  return stat.isDirectory() ? Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name)))) : stat.mtimeMs
}
